// What the page's scripts share. Together they are one module: strict, and nothing of them is global.
document.documentElement.classList.add("js");

/** Returns a new element with properties, or attributes where it has no such property, and children. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Returns a labelled list to choose one of texts from, which tells the index of what is chosen. */
function makeChoice(label, texts, tell) {
  const select = make("select", {}, ...texts.map((text, index) => make("option", { value: index }, text)));
  select.addEventListener("change", () => tell(select.selectedIndex));
  return make("label", {}, `${label} `, select);
}
