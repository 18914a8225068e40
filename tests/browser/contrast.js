// Every pair of colours that text is read by, as the browser computes them: [ratio, needed, words, where].
// WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for text, 3 for large text (24 px, or 18.66 px bold) and for the edges of controls.
() => {
  const channels = (colour) => {
    const numbers = colour.match(/-?[\d.]+/g).map(Number);
    const wide = colour.startsWith("color(") ? 255 : 1;
    return [...numbers.slice(0, 3).map((each) => each * wide), numbers[3] ?? 1];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((each, i) => each * a + below[i] * (1 - a));
  const remembered = (compute) => {
    const known = new Map();
    return (element) => known.get(element) ?? known.set(element, compute(element)).get(element);
  };
  const backdrop = remembered((element) => {
    const below = element.parentElement ? backdrop(element.parentElement) : [255, 255, 255];
    return over(channels(getComputedStyle(element).backgroundColor), below);
  });
  const luminance = (colour) => {
    const [r, g, b] = colour.map((each) => each / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const opacity = remembered((element) =>
    Number(getComputedStyle(element).opacity) * (element.parentElement ? opacity(element.parentElement) : 1));
  const where = (element) => [element.tagName.toLowerCase(), ...element.classList].join(".");
  const found = [];
  const add = (element, style, words) => {
    const behind = backdrop(element);
    const colour = channels(element instanceof SVGElement ? style.fill : style.color);
    const seen = over([...colour.slice(0, 3), colour[3] * opacity(element)], behind);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push([ratio(seen, behind), large ? 3 : 4.5, words.trim().slice(0, 40), where(element)]);
  };
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest("script, style, option")) continue;
    const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("");
    if (own.trim()) add(element, getComputedStyle(element), own);
    for (const pseudo of ["::before", "::after"]) {
      const style = getComputedStyle(element, pseudo);
      const words = style.content === "none" || style.content === "normal" ? "" : style.content.replaceAll('"', "");
      if (words.trim()) add(element, style, words);
    }
    if (element.matches("button, select, input[type=search]")) {
      if (!own.trim()) add(element, getComputedStyle(element), "control");
      const style = getComputedStyle(element);
      const outside = backdrop(element.parentElement);
      const strongest = Math.max(ratio(channels(style.borderTopColor).slice(0, 3), outside), ratio(backdrop(element), outside));
      found.push([strongest, 3, "edge", where(element)]);
    }
  }
  return found;
}
