/** Make an element with properties: make("button", { type: "button" }). */
export function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
