// Work of which only a few pieces run at once.

export class Turns {
  /** @param {number} max pieces that run at once */
  constructor(max) {
    this._free = max;
    /** @type {(() => void)[]} */
    this._waiting = [];
  }

  /**
   * Return the result of some work when its turn has come.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async take(work) {
    if (this._free > 0) this._free -= 1;
    else await new Promise((resolve) => this._waiting.push(() => resolve(null)));
    try {
      return await work();
    } finally {
      const next = this._waiting.shift();
      if (next) next();
      else this._free += 1;
    }
  }
}
