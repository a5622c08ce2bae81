// The contrast of every text on the page with what lies behind it, as WCAG 2.1 defines it.
() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = numbers(colour).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = getComputedStyle(at).backgroundColor;
      if ((numbers(ground)[3] ?? 1) === 1) return ground;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("body *")].filter(
    (one) => one.checkVisibility() && !one.closest(".veil")
      && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()),
  );
  return texts.map((one) => {
    const style = getComputedStyle(one);
    const colour = one instanceof SVGElement ? style.fill : style.color;
    const [more, less] = [light(colour), light(behind(one))].sort((a, b) => b - a);
    return { text: one.textContent.trim(), contrast: (more + 0.05) / (less + 0.05) };
  });
}
