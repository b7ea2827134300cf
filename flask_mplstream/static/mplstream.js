// Pictures of flask-mplstream that refresh, that follow the page's theme, and that are
// requested again if the server was too busy. The script finds them in any page, even if
// they are added later, by their data attributes and by the server's response. It is a
// module, so it runs once even if a page includes it several times.

const REFRESHED = "img[data-mplstream-refresh]";
const THEMED = "source[data-mplstream-theme='dark']";
/** Not for print: browsers print without the page's dark background. */
const BY_BROWSER = "screen and (prefers-color-scheme: dark)";
/** Each failed check doubles the interval, up to this factor. */
const LONGEST_PATIENCE = 16;
/** Maximum requests for a picture for which the server was too busy. */
const MOST_TRIES = 6;

// --- Dark and light -------------------------------------------------------------

/** Return the page's theme around *element*: "dark", "light" or null. */
function readTheme(element) {
  const theme = element.closest("[data-theme]")?.dataset.theme;
  return theme === "dark" || theme === "light" ? theme : null;
}

function followTheme(root) {
  for (const source of root.querySelectorAll(THEMED)) {
    const theme = readTheme(source);
    const media = theme === null ? BY_BROWSER : theme === "dark" ? "screen" : "not all";
    if (source.media !== media) source.media = media;
  }
}

// --- Print ----------------------------------------------------------------------

const ON_PAPER = `${THEMED}, source[media='print']`;
/** Holds a copy of each picture that differs in print. */
const paper = document.createElement("div");
paper.hidden = true;
paper.attachShadow({ mode: "open" });
const twins = new Map();

/** Return the picture as it is printed; lazy, so that it loads only for print. */
function makeTwin(picture) {
  const twin = picture.cloneNode(true);
  for (const source of twin.querySelectorAll("source")) {
    if (source.matches(THEMED)) source.remove();
    if (source.media === "print") source.removeAttribute("media");
  }
  twin.querySelector("img").loading = "lazy";
  return twin;
}

/**
 * Prepare a light picture for print. When a browser prints, it selects the light source
 * but does not wait for it. It does load lazy images first and waits for them. So a lazy
 * copy loads nothing until the page is printed.
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
    const twin = makeTwin(picture);
    twins.set(picture, { markup, twin });
    paper.shadowRoot.append(twin);
  }
  // Outside the body, which other scripts may replace.
  if (twins.size && !paper.isConnected) document.documentElement.append(paper);
}

// --- Newer pictures -------------------------------------------------------------

/** Return the ETag of the copy that the browser shows, without a request if possible. */
async function readTag(image) {
  const copy = await fetch(image.currentSrc, { cache: "force-cache" });
  return copy.headers.get("ETag");
}

/** Return the URL with another `_v`: the same picture, but not yet loaded. */
function renewUrl(url, version) {
  const absolute = new URL(url, document.baseURI);
  absolute.searchParams.set("_v", version);
  return absolute.href;
}

/** Renew a srcset of the package: ", " separates entries, and URLs have no spaces. */
function renewSet(srcset, version) {
  const entry = (text) => {
    const [url, ...descriptor] = text.split(" ");
    return [renewUrl(url, version), ...descriptor].join(" ");
  };
  return srcset.split(", ").map(entry).join(", ");
}

/** Load the new picture, then show it in all its sizes and formats. */
async function replace(image, tag, words) {
  const version = tag.replace(/^W\/|"/g, "").slice(0, 64);
  const next = new Image();
  next.src = renewUrl(image.currentSrc, version);
  await next.decode();
  const alt = await fetchAlt(image, version, words);
  const old = [image.naturalWidth, image.naturalHeight];
  const sources = [...(image.closest("picture")?.querySelectorAll("source") ?? [])];
  image.decoding = "sync"; // it is loaded; the old one stays until it is painted
  for (const element of [...sources, image]) {
    if (element.srcset) element.srcset = renewSet(element.srcset, version);
  }
  image.src = renewUrl(image.src, version);
  if (alt !== null) image.alt = alt;
  await image.decode();
  resize(image, old);
  image.dispatchEvent(new CustomEvent("mplstream:refresh", { bubbles: true }));
}

/** Read a Display String (RFC 9651); null if it is none. */
function readDisplayString(value) {
  const quoted = /^%"(.*)"$/.exec(value ?? "");
  return quoted && decodeURIComponent(quoted[1]);
}

/** Return the new alternative text; null if the page sets one. */
async function fetchAlt(image, version, words) {
  const url = image.dataset.mplstreamAlt;
  if (url === undefined || words !== null) return url === undefined ? null : words;
  const answer = await fetch(renewUrl(url, version), { cache: "no-store" });
  if (!answer.ok) throw new Error(`The server responded with status ${answer.status}.`);
  return answer.text();
}

/** Adapt width and height, if read from the figure, to its new size. */
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

/** Reload a picture of another origin, whose headers scripts cannot read. */
async function replaceForeign(image) {
  await replace(image, Date.now().toString(36));
}

/** Request the picture's headers, and load the picture if its ETag changed. */
async function refresh(image, state) {
  // A picture that failed to load has no ETag: any picture is newer.
  const isShown = image.naturalWidth && !isRefused(image);
  state.tag = isShown ? (state.tag ?? (await readTag(image))) : null;
  const headers = { "Mplstream-Words": "?1" };
  if (state.tag) headers["If-None-Match"] = state.tag;
  const method = "HEAD";
  const answer = await fetch(image.currentSrc, { method, headers, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`The server responded with status ${answer.status}.`);
  const tag = answer.headers.get("ETag");
  if (!tag || tag === state.tag) return;
  await replace(image, tag, readDisplayString(answer.headers.get("Mplstream-Alt")));
  state.tag = tag;
}

/** Return the URL without the version. */
function dropVersion(url) {
  const absolute = new URL(url, document.baseURI);
  absolute.searchParams.delete("_v");
  return absolute.href;
}

/** Refresh *image* while it is in the page and the page is visible. */
async function keepFresh(image) {
  const state = { tag: null, picture: null };
  let patience = 1;
  while (image.isConnected && image.matches(REFRESHED)) {
    const seconds = Number(image.dataset.mplstreamRefresh) || 60;
    await pause(seconds * patience);
    if (!image.isConnected || !image.complete || !image.currentSrc) continue;
    const picture = dropVersion(image.currentSrc);
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

/** Wait *seconds*, then until the page is visible. */
async function pause(seconds) {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  if (document.hidden) await waitUntilVisible();
}

function waitUntilVisible() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}

// --- Pictures that a busy server refused ----------------------------------------

/** By image: the refused picture, its URL and the number of tries. */
const refusals = new WeakMap();

function isRefused(image) {
  return refusals.get(image)?.source === image.currentSrc;
}

/**
 * Return the seconds to wait after a 503; null for another status. An image has no
 * status, because it shows an error picture. Browsers that hide the status here report
 * the seconds from the server's Server-Timing header.
 */
function readRetryDelay({ serverTiming, responseStatus }) {
  const timing = serverTiming?.find(({ name }) => name === "mplstream-retry");
  if (timing) return timing.duration / 1000;
  return responseStatus === 503 ? 1 : null;
}

function watchRefusals(list) {
  for (const entry of list.getEntries()) {
    const seconds = readRetryDelay(entry);
    if (seconds === null) continue;
    for (const image of document.images) {
      if (image.currentSrc === entry.name) retry(image, seconds);
    }
  }
}

/** Request a refused picture at increasing intervals until it can be shown. */
async function retry(image, seconds) {
  const picture = dropVersion(image.currentSrc);
  let refusal = refusals.get(image);
  if (refusal?.picture !== picture) refusal = { picture, tries: 0, isWaiting: false };
  refusals.set(image, refusal);
  refusal.source = image.currentSrc;
  if (refusal.isWaiting) return;
  refusal.isWaiting = true;
  while (seconds !== null && refusal.tries < MOST_TRIES) {
    const patience = Math.max(Math.min(seconds, 3600), 2 ** refusal.tries++);
    // Spread the requests of all pictures and pages over time.
    await pause(patience * (1 + Math.random() / 2));
    if (!image.isConnected || !isRefused(image)) break;
    seconds = await tryOnce(image);
  }
  refusal.isWaiting = false;
}

/** Show the picture if it exists; else return seconds to wait, or null to stop. */
async function tryOnce(image) {
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

new PerformanceObserver(watchRefusals).observe({ type: "resource", buffered: true });

// --- All pictures in the page, now and later ------------------------------------

const watched = new WeakSet();

function attendPage() {
  followTheme(document);
  preparePaper();
  for (const image of document.querySelectorAll(REFRESHED)) {
    if (watched.has(image)) continue;
    watched.add(image);
    keepFresh(image);
  }
}

new MutationObserver(attendPage).observe(document.documentElement, {
  subtree: true,
  childList: true,
  attributeFilter: ["data-theme", "data-mplstream-refresh"],
});
document.addEventListener("mplstream:refresh", preparePaper);
attendPage();
