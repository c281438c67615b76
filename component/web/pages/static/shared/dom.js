// Elements, without any HTML: texts become text nodes, and no attribute can run code.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Return a new element.
 *
 * @param {string} name
 * @param {Record<string, any>} [properties] attributes; `on` has listeners by the names of events,
 *   `data` the values of data attributes. `true` sets an attribute, and `false` or null leaves it out.
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (key === "data") {
      Object.assign(made.dataset, value);
    } else {
      setAttribute(made, key, value);
    }
  }
  made.append(...nodes(children));
  return made;
}

/**
 * Set an attribute, or remove it if the value is false or null.
 *
 * @param {Element} target
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function setAttribute(target, name, value) {
  if (name.startsWith("on") || name === "style") throw new Error(`${name}: not by a text`);
  if (value === false || value === null || value === undefined) target.removeAttribute(name);
  else target.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Replace the content of an element.
 *
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/**
 * Make the children of an element those of a list, and keep the nodes of the keys that stay.
 *
 * @template T
 * @param {Element} parent
 * @param {T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T, old: any, index: number) => Element} render returns `old` changed, or a new node
 */
export function reconcile(parent, items, keyOf, render) {
  const old = new Map();
  for (const node of /** @type {any} */ (parent.children)) old.set(node.dataset.key, node);
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    const key = keyOf(item);
    const before = old.get(key);
    const node = /** @type {any} */ (render(item, before, index));
    old.delete(key);
    node.dataset.key = key;
    if (before && before !== node) {
      if (place === before) place = before.nextElementSibling;
      before.replaceWith(node);
    }
    if (place && node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  });
  for (const node of old.values()) node.remove();
}

/**
 * @param {any[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Return a button.
 *
 * @param {Child} shown
 * @param {(event: Event) => void} click
 * @param {Record<string, any>} [properties]
 * @returns {HTMLButtonElement}
 */
export function button(shown, click, properties = {}) {
  const { on, ...others } = properties;
  return element("button", { type: "button", on: { click, ...on }, ...others }, shown);
}

/**
 * Return a part of an element by a selector; it has to exist.
 *
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {any}
 */
export function find(parent, selector) {
  const found = parent.querySelector(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
}
