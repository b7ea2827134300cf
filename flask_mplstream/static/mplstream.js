// Pictures of flask-mplstream that look for newer ones, that follow the theme of the page,
// and that are asked for again if the server was too busy for them. It finds them by their
// data attributes and by what the server answered, in any page, whenever they come.
// A module, so that it runs once however often a page names it.

const REFRESHED = "img[data-mplstream-refresh]";
const THEMED = "source[data-mplstream-theme='dark']";
/** On paper there is no dark page: a browser leaves its background out. */
const BY_BROWSER = "screen and (prefers-color-scheme: dark)";
/** An answer that fails is asked for again after a longer time, up to this many. */
const LONGEST_PATIENCE = 16;
/** A picture that the server was too busy for is asked for again this often at most. */
const MOST_TRIES = 6;

// --- Dark and light -------------------------------------------------------------

/** What the page says of itself: "dark", "light", or nothing. */
function themeOf(element) {
  const theme = element.closest("[data-theme]")?.dataset.theme;
  return theme === "dark" || theme === "light" ? theme : null;
}

function followTheme(root) {
  for (const source of root.querySelectorAll(THEMED)) {
    const theme = themeOf(source);
    const media = theme === null ? BY_BROWSER : theme === "dark" ? "screen" : "not all";
    if (source.media !== media) source.media = media;
  }
}

// --- Paper ----------------------------------------------------------------------

const ON_PAPER = `${THEMED}, source[media='print']`;
/** Holds a twin of each picture that has another one on paper, by the picture. */
const paper = document.createElement("div");
paper.hidden = true;
paper.attachShadow({ mode: "open" });
const twins = new Map();

/** The picture as it is printed, which a lazy image out of sight does not load. */
function twinOf(picture) {
  const twin = picture.cloneNode(true);
  for (const source of twin.querySelectorAll("source")) {
    if (source.matches(THEMED)) source.remove();
    if (source.media === "print") source.removeAttribute("media");
  }
  twin.querySelector("img").loading = "lazy";
  return twin;
}

/**
 * Have a light picture at hand when the page is printed. A browser that begins to print
 * selects the light source, and does not wait for it. But it loads the lazy images
 * first, and waits for them: so nothing is loaded twice until a page is printed.
 */
function preparePaper() {
  for (const [picture, { twin }] of twins) {
    if (picture.isConnected) continue;
    twin.remove();
    twins.delete(picture);
  }
  for (const picture of document.querySelectorAll("picture")) {
    if (picture.querySelector(ON_PAPER) === null) continue;
    const markup = picture.innerHTML;
    if (twins.get(picture)?.markup === markup) continue;
    twins.get(picture)?.twin.remove();
    const twin = twinOf(picture);
    twins.set(picture, { markup, twin });
    paper.shadowRoot.append(twin);
  }
  // Not in the body, which other scripts replace.
  if (twins.size && !paper.isConnected) document.documentElement.append(paper);
}

// --- Newer pictures -------------------------------------------------------------

/** The entity tag of the copy that the browser shows; no server is asked for it. */
async function tagOfCopy(image) {
  const copy = await fetch(image.currentSrc, { cache: "force-cache" });
  return copy.headers.get("ETag");
}

/** The URL with another `_v`, which names no other picture but is not yet loaded. */
function renewed(url, version) {
  const absolute = new URL(url, document.baseURI);
  absolute.searchParams.set("_v", version);
  return absolute.href;
}

/** As the package writes a srcset: entries have ", " between them, URLs no space. */
function renewedSet(srcset, version) {
  const entry = (text) => {
    const [url, ...descriptor] = text.split(" ");
    return [renewed(url, version), ...descriptor].join(" ");
  };
  return srcset.split(", ").map(entry).join(", ");
}

/** Show the picture again, in all its sizes and formats, once it has been loaded. */
async function replace(image, tag, words) {
  const version = tag.replace(/^W\/|"/g, "").slice(0, 64);
  const next = new Image();
  next.src = renewed(image.currentSrc, version);
  await next.decode();
  const alt = await altOf(image, version, words);
  const old = [image.naturalWidth, image.naturalHeight];
  const sources = [...(image.closest("picture")?.querySelectorAll("source") ?? [])];
  image.decoding = "sync"; // it is there: the old one stays until it is painted
  for (const element of [...sources, image]) {
    if (element.srcset) element.srcset = renewedSet(element.srcset, version);
  }
  image.src = renewed(image.src, version);
  if (alt !== null) image.alt = alt;
  await image.decode();
  resize(image, old);
  image.dispatchEvent(new CustomEvent("mplstream:refresh", { bubbles: true }));
}

/** The text of a Display String (RFC 9651), or null. */
function displayString(value) {
  const quoted = /^%"(.*)"$/.exec(value ?? "");
  return quoted && decodeURIComponent(quoted[1]);
}

/** The alternative text of the newer picture; null where the page has its own. */
async function altOf(image, version, words) {
  const url = image.dataset.mplstreamAlt;
  if (url === undefined || words !== null) return url === undefined ? null : words;
  const answer = await fetch(renewed(url, version), { cache: "no-store" });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.text();
}

/** Have the sides that were read from the figure follow its new size. */
function resize(image, [oldWidth, oldHeight]) {
  const { naturalWidth: width, naturalHeight: height } = image;
  if (!oldWidth || !oldHeight || !width || !height) return;
  const side = (name) => Number(image.getAttribute(name));
  const sides = {
    both: {
      width: side("width") * (width / oldWidth),
      height: side("height") * (height / oldHeight),
    },
    width: { width: side("height") * (width / height) },
    height: { height: side("width") * (height / width) },
  };
  for (const [name, px] of Object.entries(sides[image.dataset.mplstreamSides] ?? {})) {
    image.setAttribute(name, Math.round(px));
  }
}

/** Of another host no script may read the headers: load whatever there is. */
async function replaceForeign(image) {
  await replace(image, Date.now().toString(36));
}

/** Ask for the picture's headers alone, and load it where they tell of another one. */
async function refresh(image, state) {
  // What could not be loaded has no tag: whatever there is now is newer.
  const isShown = image.naturalWidth && !isRefused(image);
  state.tag = isShown ? (state.tag ?? (await tagOfCopy(image))) : null;
  const headers = { "Mplstream-Words": "?1" };
  if (state.tag) headers["If-None-Match"] = state.tag;
  const method = "HEAD";
  const answer = await fetch(image.currentSrc, { method, headers, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const tag = answer.headers.get("ETag");
  if (!tag || tag === state.tag) return;
  await replace(image, tag, displayString(answer.headers.get("Mplstream-Alt")));
  state.tag = tag;
}

/** Which picture it is, whatever the version. */
function identity(url) {
  const absolute = new URL(url, document.baseURI);
  absolute.searchParams.delete("_v");
  return absolute.href;
}

/** Refresh *image* for as long as it is in the page; not while nobody looks. */
async function keepFresh(image) {
  const state = { tag: null, picture: null };
  let patience = 1;
  while (image.isConnected && image.matches(REFRESHED)) {
    const seconds = Number(image.dataset.mplstreamRefresh) || 60;
    await pause(seconds * patience);
    if (!image.isConnected || !image.complete || !image.currentSrc) continue;
    const picture = identity(image.currentSrc);
    if (state.picture !== picture) Object.assign(state, { picture, tag: null });
    try {
      const isForeign = new URL(image.currentSrc).origin !== location.origin;
      await (isForeign ? replaceForeign(image) : refresh(image, state));
      patience = 1;
    } catch {
      patience = Math.min(patience * 2, LONGEST_PATIENCE);
    }
  }
  watched.delete(image);
}

/** Wait so many seconds, and then until somebody looks. */
async function pause(seconds) {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  if (document.hidden) await whenVisible();
}

function whenVisible() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}

// --- Pictures that the server was too busy for ----------------------------------

/** By image: which picture was refused, under which URL, and how often it was tried. */
const refusals = new WeakMap();

function isRefused(image) {
  return refusals.get(image)?.source === image.currentSrc;
}

/**
 * Seconds after which to ask again for what was refused with 503, null for other answers.
 * An image does not know its status, and shows an error that is a picture. Not every
 * browser gives the status here; then the server's own header has the seconds.
 */
function retryAfter({ serverTiming, responseStatus }) {
  const timing = serverTiming?.find(({ name }) => name === "mplstream-retry");
  if (timing) return timing.duration / 1000;
  return responseStatus === 503 ? 1 : null;
}

function attendRefusals(list) {
  for (const entry of list.getEntries()) {
    const seconds = retryAfter(entry);
    if (seconds === null) continue;
    for (const image of document.images) {
      if (image.currentSrc === entry.name) askAgain(image, seconds);
    }
  }
}

/** Ask for a refused picture, after longer and longer times, until it can be shown. */
async function askAgain(image, seconds) {
  const picture = identity(image.currentSrc);
  let refusal = refusals.get(image);
  if (refusal?.picture !== picture) refusal = { picture, tries: 0, isWaiting: false };
  refusals.set(image, refusal);
  refusal.source = image.currentSrc;
  if (refusal.isWaiting) return;
  refusal.isWaiting = true;
  while (seconds !== null && refusal.tries < MOST_TRIES) {
    const patience = Math.max(Math.min(seconds, 3600), 2 ** refusal.tries++);
    // Not all pictures of a page, and not all pages, at the same moment.
    await pause(patience * (1 + Math.random() / 2));
    if (!image.isConnected || !isRefused(image)) break;
    seconds = await tryAgain(image);
  }
  refusal.isWaiting = false;
}

/** Show the picture if there is one; else return when to ask again, or null for never. */
async function tryAgain(image) {
  try {
    const answer = await fetch(image.currentSrc, { method: "HEAD", cache: "no-store" });
    if (answer.status === 503) return Number(answer.headers.get("Retry-After")) || 1;
    const isOurs = answer.headers.get("Cache-Status")?.includes("flask-mplstream");
    if (answer.ok && isOurs) await replace(image, answer.headers.get("ETag"));
    return null;
  } catch {
    return 1; // No server, or no picture yet.
  }
}

new PerformanceObserver(attendRefusals).observe({ type: "resource", buffered: true });

// --- Whatever is in the page, now and later -------------------------------------

const watched = new WeakSet();

function attend() {
  followTheme(document);
  preparePaper();
  for (const image of document.querySelectorAll(REFRESHED)) {
    if (watched.has(image)) continue;
    watched.add(image);
    keepFresh(image);
  }
}

new MutationObserver(attend).observe(document.documentElement, {
  subtree: true,
  childList: true,
  attributeFilter: ["data-theme", "data-mplstream-refresh"],
});
document.addEventListener("mplstream:refresh", preparePaper);
attend();
