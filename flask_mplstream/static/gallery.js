// The gallery: search, themes, and pictures that follow their controls. Without it the
// same forms reload the page. What arguments mean, and every URL, is the server's to
// say; this asks it, and shows the answer.

const DEBOUNCE_MS = 150;
const COPIED_MS = 1500;
/** Dots for each CSS pixel beyond which nobody sees a difference. */
const SHARPEST = 2;
/** As browsers ask for images, and small ones first. */
const IMAGES = { Accept: "image/avif,image/webp;q=0.9,image/*;q=0.8" };
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
        // It holds for this page only.
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

/** What the server says of the form as it is now. */
async function stateOf(form, signal) {
  const query = new URLSearchParams(new FormData(form));
  const headers = { Accept: "application/json" };
  const address = `${form.getAttribute("action")}?${query}`;
  const response = await fetch(address, { headers, signal, cache: "no-store" });
  if (!response.ok) throw new Error(await reasonOf(response));
  if (!isJson(response)) throw new Error("This is another page now: load it again.");
  return response.json();
}

const isJson = (response) => response.headers.get("Content-Type")?.includes("json");


/** Why the server refused, in its own words. */
async function reasonOf(response) {
  if (isJson(response)) return (await response.json()).detail;
  return `The server answered ${response.status}.`;
}

/** Errors beside their fields, and nothing beside the others. */
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

/** The URL of the picture that has at least a pixel for each of the frame's. */
function urlFor(frame, byWidth) {
  const needed = frame.clientWidth * Math.min(devicePixelRatio, SHARPEST);
  const widths = Object.keys(byWidth).map(Number);
  return byWidth[widths.find((width) => width >= needed) ?? widths.at(-1)];
}

/** A decoded image of a picture's bytes. */
async function imageOf(blob, alt) {
  const image = new Image();
  image.alt = alt;
  image.src = URL.createObjectURL(blob);
  await image.decode();
  return image;
}

/** Put *element* into the frame in place of what is there. */
function fill(frame, element) {
  const old = frame.querySelector("img[src^='blob:']");
  frame.replaceChildren(element);
  if (old) URL.revokeObjectURL(old.src);
}

function failureOf(message) {
  const failure = document.createElement("p");
  failure.className = "failure";
  failure.setAttribute("role", "alert");
  failure.textContent = message;
  return failure;
}

// --- How it was made ----------------------------------------------------------------

/** `build;desc="…";dur=4.2, draw;dur=20` as a map of milliseconds; a hit tells, with
 *  `was-` in front, what it took to draw the picture then. */
function timingsOf(header) {
  const pairs = [...(header ?? "").matchAll(/([\w-]+)(?:;desc="[^"]*")?;dur=([\d.]+)/g)];
  return new Map(pairs.map(([, step, ms]) => [step.replace(/^was-/, ""), Number(ms)]));
}

/** `Cache-Status` in words, https://www.rfc-editor.org/rfc/rfc9211. */
function cacheWords(header) {
  const [, ...parts] = (header ?? "").split(";").map((part) => part.trim());
  const value = (name) => parts.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
  const ttl = value("ttl");
  if (parts.includes("hit")) return `In the cache, fresh for ${ttl} s more.`;
  if (value("fwd-status")) return "An older one: drawing it again failed.";
  if (parts.includes("collapsed")) return "Drawn once for several who asked.";
  if (parts.includes("stored")) return "Drawn now, and kept for who asks next.";
  return header ? "Drawn now, and not kept." : "–";
}

const inBytes = (bytes) =>
  bytes < 10_000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(bytes < 100_000 ? 1 : 0)} kB`;

/** `image/svg+xml` is SVG. */
const formatOf = (blob) => blob.type.replace(/^image\/|\+xml$/g, "").toUpperCase();

/** What `response`, whose body is `blob`, says of how the picture was made. */
function showMaking(response, blob) {
  showSteps(timingsOf(response.headers.get("Server-Timing")));
  showFacts({
    cache: cacheWords(response.headers.get("Cache-Status")),
    size: `${inBytes(blob.size)} of ${formatOf(blob)}`,
    etag: response.headers.get("ETag"),
  });
}

function showNothingMade() {
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

/** A slider and the number beside it are one control. */
function pairSlider(slider) {
  const number = byId(slider.dataset.for);
  slider.addEventListener("input", () => {
    number.value = slider.value;
  });
  number.addEventListener("input", () => {
    if (number.value !== "") slider.value = number.value;
  });
}

/** A list has a blank field at its end for one more. */
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

/** What the browser itself cannot read, such as half a date. */
function unreadable(form) {
  const inputs = [...form.elements].filter((input) => input.validity?.badInput && input.name);
  return Object.fromEntries(inputs.map((input) => [input.name, "It is not complete."]));
}

function setUpFigure(form) {
  const frame = byId("frame");
  const status = byId("status");
  const words = byId("words");
  let running = new AbortController();
  let timer;
  let state;

  /** Do *work* instead of what is going on: an older answer comes too late. */
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
        fill(frame, failureOf(error.message));
        showNothingMade();
      }
    }
    if (!signal.aborted) frame.removeAttribute("aria-busy");
  }

  async function update(signal) {
    const next = await stateOf(form, signal);
    const errors = { ...next.errors, ...unreadable(form) };
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
    const url = urlFor(frame, byWidth);
    const response = await fetch(url, { headers: IMAGES, signal });
    if (!response.ok) throw new Error(await reasonOf(response));
    const blob = await response.blob();
    const image = await imageOf(blob, frame.dataset.alt);
    signal.throwIfAborted();
    fill(frame, image);
    showMaking(response, blob);
    status.textContent = "The picture has been drawn.";
    await describe(image, state.words, signal);
  }

  /** The first picture is the page's own; its headers come from the same answer. */
  async function tellFirst(signal) {
    const image = frame.querySelector("img");
    if (!image) return;
    await image.decode().catch(() => {}); // the answer says why not
    const response = await fetch(image.currentSrc, { headers: IMAGES, signal });
    if (!response.ok) throw new Error(await reasonOf(response));
    showMaking(response, await response.blob());
    await describe(image, words.querySelector("a").href, signal);
  }

  /** What a screen reader says of the picture, for everybody to read. */
  async function describe(image, url, signal) {
    const response = await fetch(url, { signal });
    if (!response.ok) return;
    const text = await response.text();
    signal.throwIfAborted();
    words.textContent = text;
    image.alt = text;
  }

  form.noValidate = true; // what is wrong is told beside the field
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
  begin(tellFirst);
}

// --- Copying ------------------------------------------------------------------------

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // a page without HTTPS has no clipboard
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

// --- Whichever page it is -----------------------------------------------------------

const controls = byId("controls");
const search = byId("search");
if (controls) setUpFigure(controls);
else setUpTheme(() => {});
if (search) setUpSearch(search);
for (const button of document.querySelectorAll("[data-copies]")) setUpCopying(button);
