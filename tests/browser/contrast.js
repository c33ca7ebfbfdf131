// Return the visible texts of the page whose contrast with their background is below 4.5:1 (WCAG 2 AA), each once.
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((one) => (one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  // the grounds that a text may stand on: one, or each colour of a gradient
  const grounds = (node) => {
    if (!node) return [rgba("Canvas")];
    const style = getComputedStyle(node);
    const below = () => grounds(node.parentElement);
    const stripes = style.backgroundImage.includes("gradient") ? style.backgroundImage.match(/(?:rgba?|color)\([^()]*\)/g) ?? [] : [];
    if (stripes.length) return stripes.map((one) => over(rgba(one), below()[0]));
    const own = rgba(style.backgroundColor);
    return own[3] === 0 ? below() : below().map((one) => over(own, one));
  };
  const opacity = (node) => (node ? Number(getComputedStyle(node).opacity) * opacity(node.parentElement) : 1);
  const found = new Map();
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((one) => one.nodeType === Node.TEXT_NODE && one.textContent.trim())) continue;
    if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || node.matches("option, script, style")) continue;
    const ink = rgba(getComputedStyle(node).color);
    for (const ground of grounds(node)) {
      const seen = over([...ink.slice(0, 3), ink[3] * opacity(node)], ground);
      const value = ratio(seen, ground);
      if (value < 4.5) found.set(`${node.tagName.toLowerCase()}.${node.className} ${getComputedStyle(node).color}`, `${node.textContent.trim().slice(0, 30)}: ${value.toFixed(2)}`);
    }
  }
  return [...found].map((pair) => pair.join(" "));
}
