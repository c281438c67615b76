// Pictures in messages. Only those on the upload service of the server are loaded: any other server
// would learn when a message is read.

import { element, fill } from "../../shared/dom.js";
import { Turns } from "../../shared/turns.js";

/** @typedef {NonNullable<import("../data/api.js").Message["file"]>} File */

/** Bytes of a picture that is shown. A larger one is a link only. */
export const MAX_BYTES = 5 * 1024 * 1024;

/** Pixels of a picture that is shown: a small file may have pixels that fill the memory. */
const MAX_PIXELS = 50_000_000;

/** Pictures that are kept, and those that are loaded at once. */
const KEPT = 40;
const AT_ONCE = 3;

/** Media types of pictures by the end of an address. No SVG: it is a document with links of its own. */
const TYPES = {
  avif: "image/avif",
  gif: "image/gif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
};

/**
 * Return the media type of a file that may be shown as a picture, null for any other.
 *
 * @param {File} file many clients tell no type of it, so that its name counts
 * @param {readonly string[]} origins of the upload service
 */
export function pictureType({ url, type, size }, origins) {
  if (!URL.canParse(url)) return null;
  const { origin, pathname } = new URL(url);
  if (!origins.includes(origin) || (size ?? 0) > MAX_BYTES) return null;
  const end = pathname.split(".").at(-1)?.toLowerCase() ?? "";
  const found = type ?? /** @type {any} */ (TYPES)[end];
  return Object.values(TYPES).includes(found) ? found : null;
}

export class Pictures {
  /** @param {readonly string[]} origins of the upload service */
  constructor(origins) {
    this._origins = origins;
    this._turns = new Turns(AT_ONCE);
    /** @type {Map<string, Promise<string>>} addresses in the memory of the browser, by URL */
    this._kept = new Map();
    this._observer = new IntersectionObserver((entries) => this._onView(entries), {
      // Half a view ahead of the reader, in browsers that can.
      .../** @type {any} */ ({ scrollMargin: "50%" }),
    });
  }

  /**
   * Return the place of a picture, which has its size before the picture is there; null if the file is
   * no picture or may not be loaded.
   *
   * @param {File} file
   */
  node(file) {
    const type = pictureType(file, this._origins);
    if (!type) return null;
    const node = element("div", { class: "picture" });
    node.load = () => this._fill(node, file, type);
    this._observer.observe(node);
    return node;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  _onView(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this._observer.unobserve(target);
      /** @type {any} */ (target).load();
    }
  }

  /**
   * @param {HTMLElement} node
   * @param {File} file
   * @param {string} type
   */
  async _fill(node, file, type) {
    try {
      const picture = element("img", { src: await this._picture(file.url, type), alt: file.name ?? "Picture" });
      await loaded(picture);
      if (picture.naturalWidth * picture.naturalHeight > MAX_PIXELS) throw new TooLarge();
      const link = { href: file.url, rel: "noopener noreferrer nofollow", target: "_blank", tabindex: -1 };
      fill(node, element("a", link, picture));
    } catch (error) {
      const text = error instanceof TooLarge ? error.message : "The picture cannot be loaded.";
      fill(node, element("p", { class: "hint" }, text));
    }
  }

  /**
   * @param {string} url
   * @param {string} type
   */
  _picture(url, type) {
    const known = this._kept.get(url);
    const picture = known ?? this._turns.take(() => load(url, type));
    // The one that was used last is dropped last.
    this._kept.delete(url);
    this._kept.set(url, picture);
    if (!known) picture.catch(() => this._kept.delete(url));
    if (this._kept.size > KEPT) {
      const [oldest, old] = this._kept.entries().next().value ?? [];
      if (oldest) this._kept.delete(oldest);
      old?.then(URL.revokeObjectURL, () => {});
    }
    return picture;
  }
}

class TooLarge extends Error {
  constructor() {
    super("The picture is too large to be shown here.");
  }
}

/**
 * Load a picture, and return its address in the memory of the browser. What a message says of the size
 * may be wrong, so the bytes are counted.
 *
 * @param {string} url
 * @param {string} type
 */
async function load(url, type) {
  const aborter = new AbortController();
  const { signal } = aborter;
  const answer = await fetch(url, { credentials: "omit", redirect: "error", signal });
  if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`);
  const reader = answer.body.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return URL.createObjectURL(new Blob(parts, { type }));
    parts.push(value);
    size += value.length;
    if (size > MAX_BYTES) {
      aborter.abort();
      throw new TooLarge();
    }
  }
}

/** @param {HTMLImageElement} picture */
function loaded(picture) {
  return new Promise((resolve, reject) => {
    picture.addEventListener("load", resolve);
    picture.addEventListener("error", reject);
  });
}
