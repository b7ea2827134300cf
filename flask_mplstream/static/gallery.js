// The gallery: search, themes, and pictures that follow their controls. Without this
// script, the same forms reload the page. The server validates arguments and builds all
// URLs; the script requests the result and shows it.

const DEBOUNCE_MS = 150;
const COPIED_MS = 1500;
/** Device pixels per CSS pixel; more make no visible difference. */
const SHARPEST = 2;
/** The Accept header for pictures. WebP is small, and AVIF takes too long to encode. */
const IMAGES = { Accept: "image/webp,image/*;q=0.8" };
const root = document.documentElement;
const byId = (id) => document.getElementById(id);

// --- Themes -----------------------------------------------------------------------

function setUpTheme(changed) {
  const chosen = root.dataset.theme ?? "auto";
  for (const radio of document.querySelectorAll("input[name=theme]")) {
    radio.checked = radio.value === chosen;
    radio.addEventListener("change", () => {
      if (radio.value === "auto") delete root.dataset.theme;
      else root.dataset.theme = radio.value;
      try {
        localStorage.setItem("mplstream-theme", radio.value);
      } catch {
        // Storage is blocked: the choice lasts until the page is reloaded.
      }
      changed();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

function themeNow() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return root.dataset.theme ?? (isDark ? "dark" : "light");
}

// --- The index --------------------------------------------------------------------

function setUpSearch(input) {
  const found = byId("found");
  const total = Number(found.dataset.total);
  const plain = `${total} ${total === 1 ? "figure" : "figures"}`;

  function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const card of document.querySelectorAll(".card")) {
      card.hidden = !words.every((word) => card.dataset.text.includes(word));
      matching += !card.hidden;
    }
    for (const shelf of document.querySelectorAll(".shelf")) {
      shelf.hidden = !shelf.querySelector(".card:not([hidden])");
    }
    document.querySelector(".nothing").hidden = matching > 0;
    found.textContent = words.length ? `${matching} of ${total} figures` : plain;
    const address = new URL(location);
    if (words.length) address.searchParams.set("q", input.value);
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
  }

  input.addEventListener("input", search);
  input.form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    input.focus();
  });
}

// --- The page of a figure -----------------------------------------------------------

/** Fetch the server's state of the form with its current values. */
async function fetchState(form, signal) {
  const query = new URLSearchParams(new FormData(form));
  const headers = { Accept: "application/json" };
  const address = `${form.getAttribute("action")}?${query}`;
  const response = await fetch(address, { headers, signal, cache: "no-store" });
  if (!response.ok) throw new Error(await readReason(response));
  if (!isJson(response)) throw new Error("The server returned a different page. Reload this one.");
  return response.json();
}

const isJson = (response) => response.headers.get("Content-Type")?.includes("json");

/** Read the server's reason for an error. */
async function readReason(response) {
  if (isJson(response)) return (await response.json()).detail;
  return `The server responded with status ${response.status}.`;
}

/** Show each error beside its field, and clear the others. */
function showErrors(form, errors) {
  for (const place of form.querySelectorAll(".error")) {
    const id = place.id.slice(0, -"-error".length);
    const message = errors[id.slice("arg-".length)] ?? "";
    place.textContent = message;
    const field = place.closest(".field");
    const isRadios = field.getAttribute("role") === "radiogroup";
    const inputs = isRadios ? [field] : field.querySelectorAll("[name]");
    for (const input of inputs) {
      if (message) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
}

function showLinks(state) {
  for (const panel of document.querySelectorAll("[data-of-picture]")) panel.hidden = false;
  for (const field of document.querySelectorAll("[data-snippet]")) {
    field.value = state.snippets[field.dataset.snippet];
  }
  for (const link of document.querySelectorAll("[data-format]")) {
    link.href = state.downloads[link.dataset.format];
  }
  history.replaceState(null, "", state.page);
}

/** Return the URL of the narrowest picture that fills the frame's pixels. */
function chooseUrl(frame, byWidth) {
  const needed = frame.clientWidth * Math.min(devicePixelRatio, SHARPEST);
  const widths = Object.keys(byWidth).map(Number);
  return byWidth[widths.find((width) => width >= needed) ?? widths.at(-1)];
}

/** Return a decoded image of a picture's bytes. */
async function decodeImage(blob, alt) {
  const image = new Image();
  image.alt = alt;
  image.src = URL.createObjectURL(blob);
  await image.decode();
  return image;
}

/** Replace the content of the frame with *element*. */
function fill(frame, element) {
  const old = frame.querySelector("img[src^='blob:']");
  frame.replaceChildren(element);
  if (old) URL.revokeObjectURL(old.src);
}

function makeFailure(message) {
  const failure = document.createElement("p");
  failure.className = "failure";
  failure.setAttribute("role", "alert");
  failure.textContent = message;
  return failure;
}

// --- The render ---------------------------------------------------------------------

/** Read `build;desc="…";dur=4.2, draw;dur=20` as a map of milliseconds. In a hit, the
 *  steps of the original render have the prefix `was-`. */
function readTimings(header) {
  const pairs = [...(header ?? "").matchAll(/([\w-]+)(?:;desc="[^"]*")?;dur=([\d.]+)/g)];
  return new Map(pairs.map(([, step, ms]) => [step.replace(/^was-/, ""), Number(ms)]));
}

/** Describe `Cache-Status`, https://www.rfc-editor.org/rfc/rfc9211. */
function describeCache(header) {
  const [, ...parts] = (header ?? "").split(";").map((part) => part.trim());
  const value = (name) => parts.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
  const ttl = value("ttl");
  if (parts.includes("hit")) return `Cached, fresh for another ${ttl} s.`;
  if (value("fwd-status")) return "Stale, because the new render failed.";
  if (parts.includes("collapsed")) return "Rendered once for several requests.";
  if (parts.includes("stored")) return "Rendered and stored in the cache.";
  return header ? "Rendered, but not stored." : "–";
}

const inBytes = (bytes) =>
  bytes < 10_000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0)} kB`;

/** Return the name of the format: SVG for `image/svg+xml`. */
const nameFormat = (blob) => blob.type.replace(/^image\/|\+xml$/g, "").toUpperCase();

/** Show the steps and facts of the render from *response* with the body *blob*. */
function showRender(response, blob) {
  showSteps(readTimings(response.headers.get("Server-Timing")));
  showFacts({
    cache: describeCache(response.headers.get("Cache-Status")),
    size: `${inBytes(blob.size)} of ${nameFormat(blob)}`,
    etag: response.headers.get("ETag"),
  });
}

function clearRender() {
  showSteps(new Map());
  showFacts({});
}

function showSteps(timings) {
  const panel = byId("timings");
  const parts = [];
  for (const row of panel.querySelectorAll("[data-step]:not(span)")) {
    const duration = timings.get(row.dataset.step);
    row.querySelector("dd").textContent = duration === undefined ? "–" : `${duration.toFixed(1)} ms`;
    if (!duration) continue;
    const part = document.createElement("span");
    part.dataset.step = row.dataset.step;
    part.style.flexGrow = duration;
    parts.push(part);
  }
  panel.querySelector(".bar").replaceChildren(...parts);
}

function showFacts(facts) {
  for (const place of document.querySelectorAll("[data-fact]")) {
    place.textContent = facts[place.dataset.fact] ?? "–";
  }
}

// --- The controls -------------------------------------------------------------------

/** Keep a slider and the number beside it equal. */
function pairSlider(slider) {
  const number = byId(slider.dataset.for);
  slider.addEventListener("input", () => {
    number.value = slider.value;
  });
  number.addEventListener("input", () => {
    if (number.value !== "") slider.value = number.value;
  });
}

/** Add a blank field when the last one of a list is filled. */
function growList(list) {
  list.addEventListener("input", () => {
    const last = list.lastElementChild;
    if (last.value === "") return;
    const next = last.cloneNode();
    const number = list.children.length + 1;
    next.value = "";
    next.id = last.id.replace(/\d+$/, number);
    next.setAttribute("aria-label", last.getAttribute("aria-label").replace(/\d+$/, number));
    list.append(next);
  });
}

/** Return errors for fields that the browser cannot read, such as half a date. */
function listUnreadable(form) {
  const inputs = [...form.elements].filter((input) => input.validity?.badInput && input.name);
  return Object.fromEntries(inputs.map((input) => [input.name, "The value is incomplete."]));
}

function setUpFigure(form) {
  const frame = byId("frame");
  const status = byId("status");
  const words = byId("words");
  let running = new AbortController();
  let timer;
  let state;

  /** Start *work* and abort the previous one, whose result is out of date. */
  async function begin(work) {
    clearTimeout(timer);
    running.abort();
    running = new AbortController();
    const { signal } = running;
    frame.setAttribute("aria-busy", "true");
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) {
        fill(frame, makeFailure(error.message));
        clearRender();
      }
    }
    if (!signal.aborted) frame.removeAttribute("aria-busy");
  }

  async function update(signal) {
    const next = await fetchState(form, signal);
    const errors = { ...next.errors, ...listUnreadable(form) };
    showErrors(form, errors);
    if (next.problems.length) throw new Error(next.problems.join("\n"));
    if (!next.pictures || Object.keys(errors).length) return;
    state = next;
    showLinks(state);
    await paint(signal);
  }

  async function paint(signal) {
    const byWidth = state.pictures[themeNow()];
    if (!byWidth) return;
    const url = chooseUrl(frame, byWidth);
    const response = await fetch(url, { headers: IMAGES, signal });
    if (!response.ok) throw new Error(await readReason(response));
    const blob = await response.blob();
    const image = await decodeImage(blob, frame.dataset.alt);
    signal.throwIfAborted();
    fill(frame, image);
    showRender(response, blob);
    status.textContent = "The picture was updated.";
    await describe(image, state.words, signal);
  }

  /** Show the render of the page's first picture, by fetching it from the cache. */
  async function showFirst(signal) {
    const image = frame.querySelector("img");
    if (!image) return;
    await image.decode().catch(() => {}); // the response has the reason
    const response = await fetch(image.currentSrc, { headers: IMAGES, signal });
    if (!response.ok) throw new Error(await readReason(response));
    showRender(response, await response.blob());
    await describe(image, words.querySelector("a").href, signal);
  }

  /** Show the alternative text, and set it for screen readers. */
  async function describe(image, url, signal) {
    const response = await fetch(url, { signal });
    if (!response.ok) return;
    const text = await response.text();
    signal.throwIfAborted();
    words.textContent = text;
    image.alt = text;
  }

  form.noValidate = true; // errors appear beside the fields
  for (const slider of form.querySelectorAll("[data-for]")) pairSlider(slider);
  for (const list of form.querySelectorAll("[data-grows]")) growList(list);
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => begin(update), DEBOUNCE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(update);
  });
  setUpTheme(() => begin(state ? paint : update));
  begin(showFirst);
}

// --- Copying ------------------------------------------------------------------------

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // a page without HTTPS has no clipboard API
    document.execCommand("copy");
  }
}

function setUpCopying(button) {
  button.addEventListener("click", async () => {
    await copy(byId(button.dataset.copies));
    button.textContent = "Copied";
    byId("status").textContent = "Copied.";
    setTimeout(() => {
      button.textContent = "Copy";
    }, COPIED_MS);
  });
}

// --- Both pages ---------------------------------------------------------------------

const controls = byId("controls");
const search = byId("search");
if (controls) setUpFigure(controls);
else setUpTheme(() => {});
if (search) setUpSearch(search);
for (const button of document.querySelectorAll("[data-copies]")) setUpCopying(button);
