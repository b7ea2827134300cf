// Change pictures in place. Without this script, the forms reload the page.
"use strict";

const DEBOUNCE_MS = 200;

/** Return the page's URL with the values of `form` and of the other figures. */
function createAddress(form) {
  const address = new URL(location);
  for (const { name } of form.elements) address.searchParams.delete(name);
  for (const [name, text] of new FormData(form)) {
    if (text !== "") address.searchParams.append(name, text);
  }
  for (const { name } of form.querySelectorAll("fieldset[name]")) {
    if (!address.searchParams.has(name)) address.searchParams.append(name, ""); // none
  }
  return address;
}

/** Fetch the card at `address`, and load and decode its picture. */
async function fetchCard(address, id, signal) {
  const response = await fetch(address, { signal });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const card = document.adoptNode(page.getElementById(id));
  const image = card.querySelector("img");
  image.loading = "eager";
  await image.decode();
  signal.throwIfAborted();
  return card;
}

function setUp(form) {
  const card = form.closest(".card");
  const message = form.querySelector(".message");
  let running = new AbortController();
  let timer;

  async function show() {
    clearTimeout(timer);
    running.abort(); // an older response is obsolete
    running = new AbortController();
    const { signal } = running;
    const address = createAddress(form);
    const frame = card.querySelector(".picture");
    frame.setAttribute("aria-busy", "true");
    try {
      const next = await fetchCard(address, card.id, signal);
      message.textContent = next.querySelector(".message").textContent;
      if (message.textContent) return;
      frame.replaceChildren(...next.querySelector(".picture").childNodes);
      for (const output of form.querySelectorAll("output[data-shows]")) {
        output.value = address.searchParams.get(output.dataset.shows);
      }
      history.replaceState(null, "", address);
    } catch {
      if (!signal.aborted) message.textContent = "The picture cannot be loaded.";
    } finally {
      if (!signal.aborted) frame.removeAttribute("aria-busy");
    }
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

document.querySelectorAll("form[data-live]").forEach(setUp);
