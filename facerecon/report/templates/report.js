"use strict";
// Adds the controls of the report: colours, filter and order of tracks, and the viewer of each comparison. The page is
// complete without it. It sends and stores nothing, and builds its elements one by one: words are only ever set as text.

function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// The label alone names the control: without it, a select's name would hold all its options.
function labelled(text, control, ...more) {
  control.setAttribute("aria-label", text);
  return make("label", {}, make("span", { text }), control, ...more);
}

function choice(pairs, onchange) {
  return make("select", { onchange }, ...pairs.map(([value, text]) => make("option", { value, text })));
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

// --- colours ---------------------------------------------------------------------------------------------------------

function addColours() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const button = make("button", { type: "button", class: "colours", onclick: () => show(!isDark()) });
  const say = () => { button.textContent = isDark() ? "Use light colours" : "Use dark colours"; };
  const show = (dark) => { root.dataset.theme = dark ? "dark" : "light"; say(); };
  system.addEventListener("change", say);
  say();
  document.querySelector("header").prepend(button);
}

// --- filter and order of tracks --------------------------------------------------------------------------------------

const ORDERS = [
  ["case", "as in the case"], ["similarity", "strongest similarity first"], ["ratio", "largest likelihood ratio first"],
  ["quality", "best quality first"], ["length", "longest first"],
];
const CANDIDATES = [
  ["", "with or without a candidate"], ["above", "candidate above the threshold"],
  ["below", "compared, none above the threshold"], ["none", "not compared"],
];

function addFilter() {
  const list = document.querySelector(".overview");
  const cards = list ? [...list.children] : [];
  if (cards.length < 2) return;
  const words = make("input", { type: "search", oninput: apply, autocomplete: "off" });
  const candidate = choice(CANDIDATES, apply);
  const quality = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0, oninput: apply });
  const least = make("output", { text: "0.00", "aria-live": "off" });
  const order = choice(ORDERS, arrange);
  const status = make("p", { role: "status" });
  const all = make("button", { type: "button", text: "Show all tracks", onclick: reset });
  const notes = ["timeline", "tracks"].map((id) => document.getElementById(id)).filter(Boolean).map((section) => {
    const note = make("p", { class: "hidden-note warning" });
    section.querySelector(".title").after(note);
    return note;
  });

  function apply() {
    least.textContent = Number(quality.value).toFixed(2);
    const kept = new Set(cards.filter(keeps).map((card) => card.dataset.track));
    for (const card of cards) hide(card.dataset.track, !kept.has(card.dataset.track));
    const hidden = cards.length - kept.size;
    const told = `${kept.size} of ${cards.length} tracks are shown`;
    status.textContent = hidden ? `${told}; ${hidden} hidden by the filter.` : `${told}.`;
    all.hidden = !hidden;
    for (const note of notes) note.textContent = hidden ? `${hidden} of ${cards.length} tracks are hidden by the filter in the summary.` : "";
  }
  function keeps(card) {
    const text = card.textContent.toLowerCase();
    return words.value.toLowerCase().split(/\s+/).every((word) => text.includes(word))
      && (!candidate.value || card.dataset.candidate === candidate.value)
      && Number(card.dataset.quality) >= Number(quality.value);
  }
  function hide(id, out) {
    const same = [...document.querySelectorAll("[data-track]")].filter((element) => element.dataset.track === id);
    for (const element of [...same, document.getElementById(id)]) if (element) element.classList.toggle("out", out);
  }
  function arrange() {
    const size = (card) => (card.dataset[order.value] ? Number(card.dataset[order.value]) : -Infinity);
    const later = (a, b) => (size(b) > size(a) ? 1 : size(b) < size(a) ? -1 : 0);
    list.append(...(order.value === "case" ? cards : [...cards].sort(later)));
  }
  function reset() {
    words.value = candidate.value = "";
    quality.value = 0;
    apply();
  }
  // A link to a track that the filter hides shows all tracks again.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#track-']");
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (target && target.classList.contains("out")) reset();
  });
  const controls = make("div", { class: "tools filter", role: "group", "aria-label": "Filter and order of tracks" },
    labelled("Text", words), labelled("Candidate", candidate), labelled("Quality at least", quality, least),
    labelled("Order", order), status, all);
  list.before(controls);
  apply();
}

// --- viewer of a comparison ------------------------------------------------------------------------------------------

const MODES = [["side", "Side by side"], ["slide", "Slide"], ["blink", "Blink"]];
const BLINK_MS = 700;
const LARGEST_PX = [560, 520];
const TALLEST = 1.3; // of the face's height: the strip under a small picture can be taller than the picture
const OPEN = "Compare: slide, blink, zoom";

function addViewer(figure) {
  const views = [...figure.querySelectorAll(".view")];
  const name = figure.querySelector(".figcaption .label").textContent;
  let viewer = null;
  const open = make("button", { type: "button", "aria-expanded": "false", onclick: toggle });
  const marks = make("button", { type: "button", "aria-pressed": "false", onclick: () => {
    press(marks, !pressed(marks));
    figure.classList.toggle("show-marks", pressed(marks));
  } });
  const title = (button, text) => { button.textContent = text; button.setAttribute("aria-label", `${text}, ${name}`); };
  title(open, OPEN);
  title(marks, "Landmarks");
  function toggle() {
    if (viewer) viewer.close();
    viewer = viewer ? null : new Viewer(views, name);
    if (viewer) bar.after(viewer.element);
    if (viewer) viewer.draw();
    open.setAttribute("aria-expanded", String(Boolean(viewer)));
    title(open, viewer ? "Close the comparison" : OPEN);
  }
  const bar = make("div", { class: "tools" }, open, ...(figure.querySelector(".marks") ? [marks] : []));
  figure.querySelector(".views").after(bar);
}

class Viewer {
  constructor(views, name) {
    this.original = views.find((view) => view.dataset.view === "original");
    this.others = views.filter((view) => view !== this.original);
    this.pixels = this.original.dataset.originalPx.split(" ").map(Number);
    this.mode = "side";
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.front = true;
    this.build(name);
    this.redraw = () => this.draw();
    addEventListener("resize", this.redraw);
  }

  build(name) {
    const labels = this.others.map((view, index) => [index, view.querySelector(".badge").textContent]);
    this.other = choice(labels, () => this.fill());
    this.other.selectedIndex = this.others.length - 1;
    this.modes = MODES.map(([mode, text]) => make("button", { type: "button", text, "data-mode": mode, onclick: () => this.show(mode) }));
    this.range = make("input", { type: "range", min: 1, max: 16, step: 1, value: 1, oninput: () => this.zoomTo(Number(this.range.value)) });
    this.times = make("output", { text: "1×", "aria-live": "off" });
    this.slider = make("input", { type: "range", class: "slider", min: 0, max: 100, step: 1, value: 50,
      "aria-label": "Place of the border: original to the left, computed picture to the right", oninput: () => this.place() });
    this.swap = make("button", { type: "button", text: "Swap", onclick: () => this.turn() });
    this.running = make("button", { type: "button", text: "Run", "aria-pressed": "false", onclick: () => this.run(!pressed(this.running)) });
    this.panes = make("div", { class: "panes" });
    this.element = make("div", { class: "viewer", role: "group", "aria-label": `Compare, ${name}` },
      make("div", { class: "tools" }, labelled("With", this.other), ...this.modes, labelled("Zoom", this.range, this.times)),
      make("div", { class: "tools" }, this.slider, this.swap, this.running), this.panes,
      make("p", { class: "note", text: "Enlarged without interpolation: every pixel is a square. Click on the place to look at, or move with the arrow keys; + and − zoom." }));
    this.fill();
  }

  fill() {
    this.layers = [this.original, this.others[this.other.selectedIndex]].map((view) => {
      const sheet = view.querySelector(".sheet").cloneNode(true);
      return { sheet, image: sheet.querySelector("img"), label: view.querySelector(".badge") };
    });
    this.show(this.mode);
  }

  show(mode) {
    this.mode = mode;
    for (const button of this.modes) press(button, button.dataset.mode === mode);
    const groups = mode === "side" ? this.layers.map((layer) => [layer]) : [this.layers];
    this.stages = groups.map((layers) => this.stage(layers));
    this.panes.replaceChildren(...this.stages.map((stage) => make("div", { class: "pane" }, ...stage.badges, stage.element)));
    this.slider.hidden = mode !== "slide";
    this.swap.hidden = this.running.hidden = mode !== "blink";
    this.front = true;
    this.run(mode === "blink" && !matchMedia("(prefers-reduced-motion: reduce)").matches);
    this.draw();
  }

  stage(layers) {
    const badges = layers.map((layer) => layer.label.cloneNode(true));
    const words = badges.map((badge) => badge.textContent).join(" and ");
    const element = make("div", { class: "stage", tabindex: 0, role: "application", "aria-label": `${words}: arrow keys move, plus and minus zoom`,
      onkeydown: (event) => this.key(event), onclick: (event) => this.aim(event) }, ...layers.map((layer) => layer.sheet));
    return { element, badges };
  }

  // All layers get one size and one place, so every stage shows the same part of the face.
  draw() {
    const [width, height] = this.pixels;
    const space = this.panes.clientWidth / (this.mode === "side" ? 2 : 1) - 12;
    if (space <= 0) return;
    const fit = Math.min(Math.min(space, LARGEST_PX[0]) / width, LARGEST_PX[1] / height);
    const pixel = fit >= 1 ? Math.floor(fit) : fit;
    const [wide, high] = [width * pixel, height * pixel];
    const whole = this.layers.map(({ image }) => wide * share(image) * tallness(image));
    const tallest = Math.round(Math.min(Math.max(...whole), high * TALLEST));
    const left = clamp(wide / 2 - this.centre[0] * wide * this.zoom, wide - wide * this.zoom, 0);
    const top = clamp(high / 2 - this.centre[1] * high * this.zoom, high - high * this.zoom, 0);
    for (const { sheet, image } of this.layers) {
      const drawn = wide * share(image) * this.zoom;
      image.style.imageRendering = drawn < image.getAttribute("width") ? "auto" : "pixelated";
      sheet.style.width = `${drawn}px`;
      sheet.style.left = `${Math.round(left)}px`;
      sheet.style.top = `${Math.round(top)}px`;
    }
    for (const { element } of this.stages) {
      element.style.width = `${wide}px`;
      element.style.height = `${tallest}px`;
    }
    this.element.style.setProperty("--wide", `${wide}px`);
    this.place();
  }

  place() {
    const [original, computed] = this.layers.map((layer) => layer.sheet);
    const border = (this.slider.value / 100) * parseFloat(this.stages[0].element.style.width || 0);
    const inside = border - parseFloat(original.style.left || 0);
    original.style.clipPath = this.mode === "slide" ? `inset(0 calc(100% - ${inside}px) 0 0)` : "";
    computed.style.clipPath = this.mode === "slide" ? `inset(0 0 0 ${inside}px)` : "";
    const blink = this.mode === "blink";
    this.layers.forEach(({ sheet }, index) => {
      const hidden = blink && (index === 0) !== this.front;
      sheet.style.visibility = hidden ? "hidden" : "";
      if (blink) this.stages[0].badges[index].hidden = hidden;
    });
  }

  turn() {
    this.front = !this.front;
    this.place();
  }

  run(on) {
    clearInterval(this.timer);
    press(this.running, on);
    if (on) this.timer = setInterval(() => this.turn(), BLINK_MS);
  }

  zoomTo(zoom) {
    this.zoom = clamp(zoom, 1, 16);
    this.range.value = this.zoom;
    this.times.textContent = `${this.zoom}×`;
    this.draw();
  }

  move(right, down) {
    this.centre = [this.centre[0] + right, this.centre[1] + down].map((at) => clamp(at, 0.5 / this.zoom, 1 - 0.5 / this.zoom));
    this.draw();
  }

  aim(event) {
    const box = this.layers[0].sheet.getBoundingClientRect();
    this.centre = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    this.move(0, 0);
  }

  key(event) {
    const step = 0.1 / this.zoom;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) this.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "-") this.zoomTo(this.zoom + (event.key === "+" ? 1 : -1));
    else return;
    event.preventDefault();
  }

  close() {
    clearInterval(this.timer);
    removeEventListener("resize", this.redraw);
    this.element.remove();
  }
}

function share(image) {
  return Number(image.parentElement.style.getPropertyValue("--share"));
}

function tallness(image) {
  return image.getAttribute("height") / image.getAttribute("width");
}

addColours();
addFilter();
document.querySelectorAll(".compare").forEach(addViewer);
