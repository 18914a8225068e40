"use strict";
// Adds the controls of the report: colours, filter and order of tracks, and the viewer of each comparison. The page is
// complete without it. It sends and stores nothing, and builds its elements one by one: words are only ever set as text.

// English sentences to those of the page's language; filled in where the page is made.
const WORDS = {};

function say(text, values = {}) {
  return (WORDS[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

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
  const name = () => { button.textContent = isDark() ? say("Use light colours") : say("Use dark colours"); };
  const show = (dark) => { root.dataset.theme = dark ? "dark" : "light"; name(); };
  system.addEventListener("change", name);
  name();
  document.querySelector("header").prepend(button);
}

// --- filter and order of tracks --------------------------------------------------------------------------------------

const ORDERS = [
  ["case", say("as in the case")], ["first", say("earliest first")], ["similarity", say("strongest similarity first")],
  ["ratio", say("largest likelihood ratio first")], ["quality", say("best quality first")], ["length", say("longest first")],
];
const CANDIDATES = [
  ["", say("with or without a candidate")], ["above", say("candidate above the threshold")],
  ["below", say("compared, none above the threshold")], ["none", say("not compared")],
];

function addFilter() {
  const list = document.querySelector(".overview");
  const cards = list ? [...list.children] : [];
  if (cards.length < 2) return;
  const words = make("input", { type: "search", oninput: apply, autocomplete: "off" });
  const candidate = choice(CANDIDATES, apply);
  const quality = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0, oninput: apply });
  const least = make("output", { text: "0.00", "aria-live": "off" });
  const sorting = addSorting(cards);
  const status = make("p", { role: "status" });
  const all = make("button", { type: "button", text: say("Show all tracks"), onclick: reset });
  const notes = ["timeline", "tracks"].map((id) => document.getElementById(id)).filter(Boolean).map((section) => {
    const note = make("p", { class: "hidden-note warning" });
    section.querySelector(".title").after(note);
    return note;
  });

  function apply() {
    least.textContent = Number(quality.value).toFixed(2);
    const kept = new Set(cards.filter(keeps).map((card) => card.dataset.track));
    for (const card of cards) hide(card.dataset.track, !kept.has(card.dataset.track));
    const values = { kept: kept.size, all: cards.length, hidden: cards.length - kept.size };
    status.textContent = values.hidden ? say("{kept} of {all} tracks are shown; {hidden} hidden by the filter.", values)
      : say("{kept} of {all} tracks are shown.", values);
    all.hidden = !values.hidden;
    for (const note of notes) note.textContent = values.hidden ? say("{hidden} of {all} tracks are hidden by the filter in the summary.", values) : "";
  }
  function keeps(card) {
    const text = card.textContent.toLowerCase();
    return words.value.toLowerCase().split(/\s+/).every((word) => text.includes(word))
      && (!candidate.value || card.dataset.candidate === candidate.value)
      && Number(card.dataset.quality) >= Number(quality.value);
  }
  function hide(id, out) {
    const name = CSS.escape(id);
    for (const element of document.querySelectorAll(`[data-track="${name}"], #${name}`)) element.classList.toggle("out", out);
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
  const controls = make("div", { class: "tools filter", role: "group", "aria-label": say("Filter and order of tracks") },
    labelled(say("Text"), words), labelled(say("Candidate"), candidate), labelled(say("Quality at least"), quality, least),
    labelled(say("Order"), sorting), status, all);
  list.before(controls);
  apply();
}

// One order for the cards of the overview, the sections of the tracks and their lines in the contents; returns its select.
// The sections keep their numbers and ids, and paper always has the order of the case.
function addSorting(cards) {
  const sections = cards.map((card) => document.getElementById(card.dataset.track));
  const places = [cards, sections, [...document.querySelectorAll(".contents .sub")]];
  const note = make("p", { class: "order-note note", role: "status" });
  const selects = [0, 1].map(() => choice(ORDERS, (event) => arrange(event.target.value)));
  let chosen = "case";

  function sorted(order) {
    const size = (card) => (card.dataset[order] ? Number(card.dataset[order]) : -Infinity);
    const side = order === "first" ? -1 : 1;
    const later = (a, b) => side * (size(b) > size(a) ? 1 : size(b) < size(a) ? -1 : 0);
    return order === "case" ? cards : [...cards].sort(later);
  }
  function put(order) {
    const ordered = sorted(order).map((card) => cards.indexOf(card));
    for (const place of places) inPlace(place, ordered.map((index) => place[index]));
  }
  function arrange(order) {
    chosen = order;
    for (const select of selects) select.value = order;
    put(order);
    const named = { order: ORDERS.find(([value]) => value === order)[1] };
    note.textContent = order === "case" ? say("The tracks are in the order of the case.")
      : say("Order of the tracks: {order}. Their numbers stay those of the case, and paper has the order of the case.", named);
  }
  const title = document.querySelector("#tracks > .title");
  title.after(make("div", { class: "tools sorting", role: "group", "aria-label": say("Order of the tracks") },
    labelled(say("Order of the tracks"), selects[1])), note);
  addEventListener("beforeprint", () => put("case"));
  addEventListener("afterprint", () => put(chosen));
  arrange(chosen);
  return selects[0];
}

// Put elements in order into the places that they have among their neighbours.
function inPlace(elements, ordered) {
  const marks = elements.map(() => document.createComment(""));
  const standing = elements[0].parentElement.children;
  [...standing].filter((element) => elements.includes(element)).forEach((element, index) => element.replaceWith(marks[index]));
  marks.forEach((mark, index) => mark.replaceWith(ordered[index]));
}

// --- viewer of a comparison ------------------------------------------------------------------------------------------

const MODES = [["side", say("Side by side")], ["slide", say("Slide")], ["blink", say("Blink")]];
const BLINK_MS = 700;
const LARGEST_PX = [560, 520];
const TALLEST = 1.3; // of the face's height: the strip under a small picture can be taller than the picture

function addViewer(figure) {
  const views = [...figure.querySelectorAll(".view")];
  const maps = [...document.querySelectorAll("[data-map-of]")].filter((cell) => cell.dataset.mapOf === figure.dataset.shot);
  const name = figure.querySelector(".figcaption .label").textContent;
  let viewer = null;
  const open = make("button", { type: "button", "aria-expanded": "false", onclick: toggle });
  const marks = make("button", { type: "button", "aria-pressed": "false", onclick: () => {
    press(marks, !pressed(marks));
    figure.classList.toggle("show-marks", pressed(marks));
  } });
  const title = (button, text) => { button.textContent = text; button.setAttribute("aria-label", `${text}, ${name}`); };
  title(open, say("Compare: slide, blink, zoom"));
  title(marks, say("Landmarks"));
  function toggle() {
    if (viewer) viewer.close();
    viewer = viewer ? null : new Viewer(views, maps, name, bar);
    open.setAttribute("aria-expanded", String(Boolean(viewer)));
    title(open, viewer ? say("Close the comparison") : say("Compare: slide, blink, zoom"));
  }
  const bar = make("div", { class: "tools" }, open, ...(figure.querySelector(".marks") ? [marks] : []));
  figure.querySelector(".views").after(bar);
}

// The original is always one side. The other is a computed picture, which a map can cover, or a map.
class Viewer {
  constructor(views, maps, name, bar) {
    const [original, others] = [views.find((view) => view.dataset.view === "original"), views.filter((view) => view.dataset.view !== "original")];
    this.original = layerOf(original);
    this.others = others.map(layerOf);
    this.maps = maps.map(mapOf);
    this.pixels = original.dataset.originalPx.split(" ").map(Number);
    this.mode = "side";
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.front = true;
    this.build(name);
    bar.after(this.element);
    this.fill();
    this.redraw = () => this.draw();
    addEventListener("resize", this.redraw);
  }

  build(name) {
    const named = (layers, kind) => layers.map((layer, index) => [`${kind}${index}`, layer.name]);
    this.other = choice([], () => this.fill());
    this.other.append(...grouped([[say("Computed pictures"), named(this.others, "p")], [say("Maps, not pictures"), named(this.maps, "m")]]));
    this.other.value = `p${this.others.length - 1}`;
    this.over = choice([["", say("none")], ...named(this.maps, "m")], () => this.fill());
    this.strength = make("input", { type: "range", min: 0, max: 100, step: 5, value: 60, oninput: () => this.cover() });
    this.percent = make("output", { text: "60 %", "aria-live": "off" });
    this.modes = MODES.map(([mode, text]) => make("button", { type: "button", text, "data-mode": mode, onclick: () => this.show(mode) }));
    this.range = make("input", { type: "range", min: 1, max: 16, step: 1, value: 1, oninput: () => this.zoomTo(Number(this.range.value)) });
    this.times = make("output", { text: "1×", "aria-live": "off" });
    this.slider = make("input", { type: "range", class: "slider", min: 0, max: 100, step: 1, value: 50,
      "aria-label": say("Place of the border: original to the left, the other to the right"), oninput: () => this.place() });
    this.swap = make("button", { type: "button", text: say("Swap"), onclick: () => this.turn() });
    this.running = make("button", { type: "button", text: say("Run"), "aria-pressed": "false", onclick: () => this.run(!pressed(this.running)) });
    this.panes = make("div", { class: "panes" });
    this.legend = make("p", { class: "note", role: "status" });
    this.element = make("div", { class: "viewer", role: "group", "aria-label": say("Compare, {name}", { name }) },
      make("div", { class: "tools" }, labelled(say("With"), this.other), ...this.modes, labelled(say("Zoom"), this.range, this.times)),
      ...(this.maps.length ? [make("div", { class: "tools" }, labelled(say("Map over the computed picture"), this.over),
        labelled(say("Opacity of the map"), this.strength, this.percent))] : []),
      make("div", { class: "tools" }, this.slider, this.swap, this.running), this.panes, this.legend,
      make("p", { class: "note", text: say("Enlarged without interpolation: every pixel is a square. Click on the place to look at, or move with the arrow keys; + and − zoom.") }));
  }

  fill() {
    const [kind, number] = [this.other.value[0], Number(this.other.value.slice(1))];
    const covering = kind === "p" && this.over.value ? this.maps[Number(this.over.value.slice(1))] : null;
    const right = copied(kind === "p" ? this.others[number] : this.maps[number]);
    this.layers = [copied(this.original), right];
    this.covers = covering ? [covering.image.cloneNode(true)] : [];
    for (const image of this.covers) {
      image.setAttribute("class", "cover");
      image.style.aspectRatio = this.pixels.join(" / ");
    }
    right.image.after(...this.covers);
    if (covering) right.badges.push(covering.badge.cloneNode(true));
    const map = kind === "p" ? covering : this.maps[number];
    this.over.disabled = kind !== "p";
    this.strength.disabled = !covering;
    this.legend.textContent = map ? say("A map is colours that stand for a measure, not a picture; what they mean is said under {figure}.", { figure: map.figure }) : "";
    this.cover();
    this.show(this.mode);
  }

  cover() {
    this.percent.textContent = `${this.strength.value} %`;
    for (const image of this.covers) image.style.opacity = this.strength.value / 100;
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
    const badges = layers.flatMap((layer) => layer.badges);
    const names = badges.map((badge) => badge.textContent).join(", ");
    const element = make("div", { class: "stage", tabindex: 0, role: "application",
      "aria-label": say("{names}: arrow keys move, plus and minus zoom", { names }),
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
    const whole = this.layers.map((layer) => wide * layer.share * layer.tall);
    const tallest = Math.round(Math.min(Math.max(...whole), high * TALLEST));
    const left = clamp(wide / 2 - this.centre[0] * wide * this.zoom, wide - wide * this.zoom, 0);
    const top = clamp(high / 2 - this.centre[1] * high * this.zoom, high - high * this.zoom, 0);
    for (const { sheet, image, share } of this.layers) {
      const drawn = wide * share * this.zoom;
      for (const each of [image, ...this.covers]) each.style.imageRendering = drawn < image.getAttribute("width") ? "auto" : "pixelated";
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
    this.layers.forEach(({ sheet, badges }, index) => {
      const hidden = blink && (index === 0) !== this.front;
      sheet.style.visibility = hidden ? "hidden" : "";
      for (const badge of badges) badge.hidden = hidden;
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

// A layer of the viewer: what it is called, and the sheet that is copied for each drawing of it.
function layerOf(view) {
  const [sheet, badge] = [view.querySelector(".sheet"), view.querySelector(".badge")];
  return { sheet, badge, name: badge.textContent };
}

// A map has the content of its original; a strip below it is shown with it, and never laid over another picture.
function mapOf(cell) {
  const image = cell.querySelector("img");
  const sheet = make("div", { class: "sheet", style: "--share: 1" }, image.cloneNode(true));
  const figure = cell.closest("figure").querySelector(".figcaption .label").textContent.replace(/\.$/, "");
  const name = cell.dataset.mapName;
  return { sheet, image, name, figure, badge: make("span", { class: "badge map", text: name }) };
}

// `share`: its width as a part of the original's; `tall`: its height as a part of its width.
function copied(layer) {
  const sheet = layer.sheet.cloneNode(true);
  const image = sheet.querySelector("img");
  const [share, tall] = [Number(sheet.style.getPropertyValue("--share")), image.getAttribute("height") / image.getAttribute("width")];
  return { sheet, image, share, tall, badges: [layer.badge.cloneNode(true)] };
}

function grouped(groups) {
  return groups.filter(([, pairs]) => pairs.length).map(([label, pairs]) =>
    make("optgroup", { label }, ...pairs.map(([value, text]) => make("option", { value, text }))));
}

addColours();
addFilter();
document.querySelectorAll(".compare").forEach(addViewer);
