// Changes the pictures in place. Without it the forms reload the page instead.
"use strict";

const DEBOUNCE_MS = 200;

/** What a form asks of its own figure; blank values are left out. */
function queryOf(form) {
  const query = new URLSearchParams();
  for (const [name, text] of new FormData(form)) {
    if (text !== "") query.append(name, text);
  }
  for (const { name } of form.querySelectorAll("fieldset[name]")) {
    if (!query.has(name)) query.append(name, ""); // none of them
  }
  return query;
}

function withQuery(path, query, more = {}) {
  const all = new URLSearchParams([...query, ...Object.entries(more)]);
  return all.size ? `${path}?${all}` : path;
}

/** Why the server refused, in its own words. */
async function problemOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (!type.includes("json")) return `The server answered ${response.status}.`;
  return (await response.json()).detail;
}

/** A decoded copy of `image` with the picture that `query` asks for. */
async function pictureOf(image, path, query, signal) {
  const plain = withQuery(path, query);
  const dense = withQuery(path, query, { _scale: 2 });
  // The answer waits in the browser's cache for the image to take it.
  const response = await fetch(devicePixelRatio > 1 ? dense : plain, { signal });
  if (!response.ok) throw new Error(await problemOf(response));
  await response.blob();
  const next = image.cloneNode();
  next.srcset = `${plain} 1x, ${dense} 2x`;
  next.src = plain;
  next.loading = "eager";
  await next.decode();
  signal.throwIfAborted();
  return next;
}

/** Keep the page's own address in step, so that it can be shared and reloaded. */
function updateAddress(form, query) {
  const address = new URL(location);
  for (const { name } of form.elements) address.searchParams.delete(name);
  for (const [name, text] of query) address.searchParams.append(name, text);
  history.replaceState(null, "", address);
}

function updateDownloads(card, query) {
  for (const link of card.querySelectorAll(".downloads a")) {
    const path = link.getAttribute("href").split("?")[0];
    link.setAttribute("href", withQuery(path, query, { _download: 1 }));
  }
}

function setUp(form) {
  const card = form.closest(".card");
  const frame = card.querySelector(".picture");
  const message = form.querySelector(".message");
  let running = new AbortController();
  let timer;

  async function show() {
    clearTimeout(timer);
    running.abort(); // an older answer comes too late
    running = new AbortController();
    const { signal } = running;
    const query = queryOf(form);
    frame.setAttribute("aria-busy", "true");
    try {
      const image = frame.querySelector("img");
      image.replaceWith(await pictureOf(image, form.dataset.picture, query, signal));
      message.textContent = "";
      updateAddress(form, query);
      updateDownloads(card, query);
      for (const output of form.querySelectorAll("output[data-shows]")) {
        output.value = query.get(output.dataset.shows);
      }
    } catch (error) {
      if (signal.aborted) return;
      const isOffline = error instanceof TypeError;
      message.textContent = isOffline ? "The server cannot be reached." : error.message;
    }
    frame.removeAttribute("aria-busy");
  }

  for (const other of form.querySelectorAll("[data-other]")) other.remove();
  form.addEventListener("input", ({ target }) => {
    const output = form.querySelector(`output[for="${target.id}"]`);
    if (target.id && output) output.value = target.value + output.dataset.unit;
    clearTimeout(timer);
    timer = setTimeout(show, DEBOUNCE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
    for (const input of form.querySelectorAll("[data-random]")) {
      input.value = Math.floor(Math.random() * input.dataset.random);
    }
  });
}

document.querySelectorAll("form[data-picture]").forEach(setUp);
