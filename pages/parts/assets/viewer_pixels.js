/* The outlines of the cells of a field as pixels of the screen, each with the cells that it belongs to.
 *
 * Where a slider gives hundreds of cells another class sixty times a second, drawing their outlines as lines takes too long.
 * Here the lines become pixels once a view; a cell that changes its class has its own pixels rewritten, no others. */

const STEPS = 48; // a pixel, in which the distance from an outline is kept
const HIDDEN = 255, NEVER_DRAWN = 254; // beside the numbers of the classes

/* Shared by all fields, for the cell that is being turned into pixels. */
const SCRATCH = { cell: new Int32Array(0), near: new Uint8Array(0) };

class OutlinePixels {
  /* `cells` with their `loops` (x, y of image pixels) in a view; `line` px wide on a dark casing `casing` px wide (0: none). */
  constructor(cells, { scale, x, y }, width, height, line, casing) {
    this.width = width;
    this.cells = cells.map(({ label }) => label);
    this.half = line / 2;
    this.reach = Math.max(line, casing) / 2 + 0.5; // beyond that nothing is drawn
    this.cased = casing > 0;
    this.first = new Uint32Array(width * height); // number of the cell + 1, 0: none
    this.second = new Uint32Array(width * height);
    this.firstNear = new Uint8Array(width * height); // how far inside the reach, in STEPS
    this.secondNear = new Uint8Array(width * height);
    this.pixels = new Uint32Array(1024);
    this.starts = new Uint32Array(cells.length + 1);
    this.points = this.used = 0;
    if (SCRATCH.cell.length < width * height) Object.assign(SCRATCH, { cell: new Int32Array(width * height), near: new Uint8Array(width * height) });
    SCRATCH.cell.fill(-1);
    cells.forEach(({ loops }, k) => this.turn(loops, k, scale, x, y, height));
    this.image = new ImageData(width, height);
    this.out = new Uint32Array(this.image.data.buffer);
    this.shown = new Uint8Array(cells.length).fill(NEVER_DRAWN);
    this.lineCover = Float32Array.from({ length: 256 }, (_, near) => Math.min(1, Math.max(0, near / STEPS - (this.reach - 0.5 - this.half))));
    this.casingCover = Float32Array.from({ length: 256 }, (_, near) => (this.cased ? 0.45 * Math.min(1, near / STEPS) : 0));
  }

  /* The pixels of one cell, and how near they are to its outline. */
  turn(loops, k, scale, x, y, height) {
    for (const loop of loops) {
      const n = loop.length;
      this.points += n / 2;
      for (let i = 0, j = n - 2; i < n; j = i, i += 2) this.segment(k, loop[j] * scale + x, loop[j + 1] * scale + y, loop[i] * scale + x, loop[i + 1] * scale + y, height);
    }
    for (let at = this.starts[k]; at < this.used; at++) this.claim(this.pixels[at], k + 1);
    this.starts[k + 1] = this.used;
  }

  segment(k, x0, y0, x1, y1, height) {
    const { reach, width } = this, { cell, near } = SCRATCH, dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy || 1e-9;
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach)), bottom = Math.min(height - 1, Math.ceil(Math.max(y0, y1) + reach));
    for (let row = top; row <= bottom; row++) {
      const middle = row + 0.5;
      let from = 0, to = 1; // the part of the segment that comes within reach of the row
      if (dy) {
        const a = (middle - reach - y0) / dy, b = (middle + reach - y0) / dy;
        from = Math.max(0, Math.min(a, b));
        to = Math.min(1, Math.max(a, b));
        if (from > to) continue;
      }
      const xa = x0 + from * dx, xb = x0 + to * dx;
      const left = Math.max(0, Math.floor(Math.min(xa, xb) - reach)), right = Math.min(width - 1, Math.ceil(Math.max(xa, xb) + reach));
      for (let column = left, at = row * width + left; column <= right; column++, at++) {
        const px = column + 0.5 - x0, py = middle - y0, t = Math.min(1, Math.max(0, (px * dx + py * dy) / square));
        const value = ((reach - Math.hypot(px - t * dx, py - t * dy)) * STEPS) | 0;
        if (value <= 0) continue;
        if (cell[at] !== k) {
          cell[at] = k;
          near[at] = Math.min(255, value);
          this.keep(at);
        } else if (value > near[at]) near[at] = Math.min(255, value);
      }
    }
  }

  keep(at) {
    if (this.used === this.pixels.length) {
      const larger = new Uint32Array(2 * this.used);
      larger.set(this.pixels);
      this.pixels = larger;
    }
    this.pixels[this.used++] = at;
  }

  /* A pixel remembers the two cells that are nearest: where two touch, both outlines run there. */
  claim(at, cell) {
    const near = SCRATCH.near[at], { first, second, firstNear, secondNear } = this;
    if (!first[at]) { first[at] = cell; firstNear[at] = near; }
    else if (!second[at]) { second[at] = cell; secondNear[at] = near; }
    else if (firstNear[at] <= secondNear[at]) { if (near > firstNear[at]) { first[at] = cell; firstNear[at] = near; } }
    else if (near > secondNear[at]) { second[at] = cell; secondNear[at] = near; }
  }

  /* Give every cell the colour of its class: `classOf` a label, `colours` [red, green, blue] a class; `hidden` classes are left out. */
  colour(pen, classOf, colours, hidden) {
    const { shown, cells } = this, changed = [], stamp = colours.join();
    if (this.coloured !== stamp) shown.fill(NEVER_DRAWN);
    this.coloured = stamp;
    for (let k = 0; k < cells.length; k++) {
      const index = classOf(cells[k]), now = hidden.has(index) ? HIDDEN : index;
      if (now === shown[k]) continue;
      shown[k] = now;
      changed.push(k);
    }
    let top = Infinity, bottom = -1;
    for (const k of changed) {
      for (let i = this.starts[k], end = this.starts[k + 1]; i < end; i++) {
        const at = this.pixels[i], row = (at / this.width) | 0;
        this.out[at] = this.mixed(at, colours);
        if (row < top) top = row;
        if (row > bottom) bottom = row;
      }
    }
    if (bottom >= top) pen.putImageData(this.image, 0, 0, 0, top, this.width, bottom - top + 1);
    return changed.length;
  }

  /* The colour of a pixel: casing, then the line of one cell over that of the other. */
  mixed(at, colours) {
    const { shown, lineCover, casingCover } = this, last = colours.length - 1;
    let one = this.first[at] ? shown[this.first[at] - 1] : HIDDEN, other = this.second[at] ? shown[this.second[at] - 1] : HIDDEN;
    let near = one < NEVER_DRAWN ? this.firstNear[at] : 0, far = other < NEVER_DRAWN ? this.secondNear[at] : 0;
    let opaque = Math.max(casingCover[near], casingCover[far]), red = 0, green = 0, blue = 0;
    if (near && far && one === other) { near = Math.max(near, far); far = 0; }
    // The last class, "no class", lies below: where two cells touch, a call wins over none, and stained over not stained.
    if (far && (one === last ? -1 : one) < (other === last ? -1 : other)) [one, other, near, far] = [other, one, far, near];
    for (const [index, distance] of [[other, far], [one, near]]) {
      if (!distance) continue;
      const cover = lineCover[distance], [r, g, b] = colours[index];
      red = r * cover + red * (1 - cover);
      green = g * cover + green * (1 - cover);
      blue = b * cover + blue * (1 - cover);
      opaque = cover + opaque * (1 - cover);
    }
    if (opaque <= 0) return 0;
    return ((Math.round(255 * opaque) << 24) | (Math.round(blue / opaque) << 16) | (Math.round(green / opaque) << 8) | Math.round(red / opaque)) >>> 0;
  }
}

function partsOf(colour) { return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)); }
