// Pictures of flask-mplstream that look for newer ones, that follow the theme of the page,
// and that are asked for again if the server was too busy for them. It finds them by their
// data attributes and by what the server answered, in any page, whenever they come.
// A module, so that it runs once however often a page names it.

const REFRESHED = "img[data-mplstream-refresh]";
const THEMED = "source[data-mplstream-theme='dark']";
const BY_BROWSER = "(prefers-color-scheme: dark)";
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
    const media = theme === null ? BY_BROWSER : theme === "dark" ? "all" : "not all";
    if (source.media !== media) source.media = media;
  }
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
async function replace(image, tag) {
  const version = tag.replace(/^W\/|"/g, "").slice(0, 64);
  const next = new Image();
  next.src = renewed(image.currentSrc, version);
  await next.decode();
  const sources = [...(image.closest("picture")?.querySelectorAll("source") ?? [])];
  image.decoding = "sync"; // it is there: the old one stays until it is painted
  for (const element of [...sources, image]) {
    if (element.srcset) element.srcset = renewedSet(element.srcset, version);
  }
  image.src = renewed(image.src, version);
  image.dispatchEvent(new CustomEvent("mplstream:refresh", { bubbles: true }));
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
  const headers = state.tag ? { "If-None-Match": state.tag } : {};
  const method = "HEAD";
  const answer = await fetch(image.currentSrc, { method, headers, cache: "no-store" });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const tag = answer.headers.get("ETag");
  if (!tag || tag === state.tag) return;
  await replace(image, tag);
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
attend();
