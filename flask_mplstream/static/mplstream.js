// Pictures of flask-mplstream that look for newer ones, and that follow the theme of
// the page. It finds them by their data attributes, in any page, whenever they come.
// A module, so that it runs once however often a page names it.

const REFRESHED = "img[data-mplstream-refresh]";
const THEMED = "source[data-mplstream-theme='dark']";
const BY_BROWSER = "(prefers-color-scheme: dark)";
/** An answer that fails is asked for again after a longer time, up to this many. */
const LONGEST_PATIENCE = 16;

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

/** Ask for the picture's headers alone, and load it where they tell of another one. */
async function refresh(image, state) {
  // What could not be loaded has no tag: whatever there is now is newer.
  state.tag = image.naturalWidth ? (state.tag ?? (await tagOfCopy(image))) : null;
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
    await new Promise((resolve) => setTimeout(resolve, seconds * patience * 1000));
    if (document.hidden) await whenVisible();
    if (!image.isConnected || !image.complete || !image.currentSrc) continue;
    const picture = identity(image.currentSrc);
    if (state.picture !== picture) Object.assign(state, { picture, tag: null });
    try {
      await refresh(image, state);
      patience = 1;
    } catch {
      patience = Math.min(patience * 2, LONGEST_PATIENCE);
    }
  }
  watched.delete(image);
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
