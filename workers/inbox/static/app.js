// What pages cannot do without a script: keys, live updates, and telling an edited draft from an untouched one.
// Everything else works without it. No inline handlers, nothing evaluated: the page's security policy forbids both.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// On a narrow screen the pages' names are a strip that is wider than the screen: begin it where we are.
const strip = $(".top nav");
const here = strip && $("[aria-current]", strip);
if (here) strip.scrollLeft = here.offsetLeft - strip.offsetLeft - 16;

// A table that is wider than its place is reached by Tab, so that arrow keys move it; one that fits is no stop on the way.
function reachable() {
  for (const area of $$(".scroll")) {
    const wide = area.scrollWidth > area.clientWidth;
    if (wide) area.tabIndex = 0;
    else area.removeAttribute("tabindex");
    area.role = wide ? "group" : null;
    area.ariaLabel = wide ? "Table, goes on sideways" : null;
  }
}
addEventListener("resize", reachable);
reachable();

const FIELDS = "input:not([type=hidden]), textarea, select";

document.documentElement.classList.add("js");

// ── live updates ─────────────────────────────────────────────────────────────────────────────────────────────────────
// One stream per visible page; a hidden page closes its own, because browsers allow only a few per site.

const live = { source: null, last: Number(document.body.dataset.lastChange || NaN) };

function listen() {
  if (live.source || document.hidden || Number.isNaN(live.last)) return;
  live.source = new EventSource(`/api/v1/stream?after=${live.last}`);
  live.source.addEventListener("change", (message) => {
    const change = JSON.parse(message.data);
    live.last = Math.max(live.last, change.id);
    document.body.dispatchEvent(new CustomEvent("inbox-changed", { detail: change }));
    const card = $("[data-case]");
    if (card && card.dataset.case === change.case) {
      document.body.dispatchEvent(new CustomEvent("case-changed", { detail: change }));
    }
  });
}

function pause() {
  live.source?.close();
  live.source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? pause() : listen()));
addEventListener("pagehide", pause);
addEventListener("pageshow", listen);

// What changed under an open card comes back as a fragment; if it says so, nothing can be sent any more.
document.addEventListener("htmx:after:swap", () => {
  if ($("#changed [data-locked]")) {
    $$("[data-decides]").forEach((control) => { control.disabled = true; });
    $$(".bar details[open]").forEach((panel) => { panel.open = false; });
  }
  const list = $("#list");
  if (list?.dataset.announce) say(list.dataset.announce);
});

let said = "";
function say(text) {
  if (text === said) return;
  said = text;
  const region = $("#live");
  if (region) region.textContent = text;
}
said = $("#list")?.dataset.announce || "";

// ── what is about to go out ──────────────────────────────────────────────────────────────────────────────────────────

function countDown() {
  for (const clock of $$("[data-countdown]")) {
    // The seconds are those from when the server said them; a list that is renewed says them again.
    if (clock.said !== clock.dataset.countdown) {
      clock.said = clock.dataset.countdown;
      clock.ends = Date.now() + 1000 * Number(clock.said);
    }
    const left = Math.ceil((clock.ends - Date.now()) / 1000);
    const part = (size, of) => String(Math.floor(left / size) % of).padStart(2, "0");
    if (left <= 0) clock.textContent = "any moment";
    else if (left < 86400) clock.textContent = `in ${left >= 3600 ? `${Math.floor(left / 3600)}:` : ""}${part(60, 60)}:${part(1, 60)}`;
  }
}

if ($("[data-countdown]") || $("#list")) {
  setInterval(countDown, 1000);
  countDown();
}

// ── an edited draft ──────────────────────────────────────────────────────────────────────────────────────────────────

const draft = $("#decide");

function isEdited() {
  if (draft.dataset.edited) return true;
  return $$("[data-argument]", draft).some((field) =>
    field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
}

function offer() {
  const edited = isEdited();
  const plain = $("#approve");
  const saving = $("#approve-edited");
  if (!plain || !saving) return;
  plain.hidden = edited;
  saving.hidden = !edited;
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, 420)}px`;
}

if (draft) {
  draft.addEventListener("input", (event) => {
    offer();
    if (event.target.tagName === "TEXTAREA") grow(event.target);
  });
  addEventListener("pageshow", offer);
  offer();
  $$("textarea", draft).forEach(grow);
}

// One click decides once: a second one would only be told that the first has decided.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});

// Only one panel of the bar is open at a time; a click elsewhere closes it.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".bar details") || !event.target.open) return;
  $$(".bar details[open]").forEach((other) => { if (other !== event.target) other.open = false; });
  $(FIELDS, event.target)?.focus();
}, true);
document.addEventListener("click", (event) => {
  if (!event.target.closest(".bar details")) $$(".bar details[open]").forEach((panel) => { panel.open = false; });
});

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

function step(by) {
  const rows = $$("[data-row]");
  if (rows.length) {
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
    rows[next].focus();
    rows[next].scrollIntoView({ block: "nearest" });
  } else {
    $(by > 0 ? "[data-next]" : "[data-previous]")?.click();
  }
}

function open(selector) {
  const panel = $(selector);
  if (!panel) return;
  panel.open = true;
  $(FIELDS, panel)?.focus();
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  a: () => $$("#approve, #approve-edited, #again").find((button) => !button.hidden && !button.disabled)?.focus(),
  e: () => { const field = $("[data-argument]"); field?.focus(); field?.select?.(); },
  r: () => open("#reject"),
  c: () => open("#changes"),
  s: () => open("#stop"),
  "/": () => $("[data-search]")?.focus(),
  u: () => $("[data-up]")?.click(),
  "?": () => $("#keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    $$(".bar details[open]").forEach((panel) => { panel.open = false; $("summary", panel)?.focus(); });
    if (document.activeElement?.matches("input, textarea, select")) document.activeElement.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest?.("input, textarea, select, dialog[open]")) return;
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys]")) $("#keys")?.showModal();
});
