/* The frame of one field: a canvas with the picture, one with the outlines above it, and where the user looks.
 *
 * Three systems of coordinates: image pixels (of the original file), device pixels of the canvas, CSS pixels of the
 * page. A view is {scale, x, y}: device pixels an image pixel, and where the image's corner lies on the canvas. */

const MOST_ZOOM = 40; // CSS pixels an image pixel

function element(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/* Writing the same words again would still lay the page out anew. */
function setText(node, words) { if (node.textContent !== words) node.textContent = words; }

class Frame {
  constructor(viewer, spec) {
    this.viewer = viewer;
    this.spec = spec;
    this.base = element('canvas', 'base', { 'aria-hidden': 'true' });
    this.over = element('canvas', 'over', { 'aria-hidden': 'true' });
    this.tip = element('div', 'tip', { role: 'tooltip', hidden: '' });
    this.scaleBar = element('div', 'scale-bar');
    this.message = element('div', 'message', { role: 'status' });
    this.stage = element('div', 'stage', { tabindex: '0', role: 'application', 'aria-roledescription': 'picture of cells' },
      this.base, this.over, this.scaleBar, this.tip, this.message);
    this.caption = element('figcaption');
    this.figure = element('figure', '', {}, this.caption, this.stage);
    this.view = null;
    this.movedAt = -1e9;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
    this.away = false; // out of sight: many fields are more than a window shows
    this.watch = new IntersectionObserver((seen) => this.seen(seen.at(-1).isIntersecting), { rootMargin: '50%' });
    if (viewer.data.tuning) this.watch.observe(this.stage);
  }

  seen(inSight) {
    this.away = !inSight;
    if (inSight && this.late) this.paint();
  }

  say(text, failed = false) {
    this.message.textContent = text;
    this.message.classList.toggle('failed', failed);
  }

  /* Device pixels a CSS pixel. The width is kept: asking the page for it in the middle of a drawing lays the page out anew. */
  get ratio() { return this.base.width / (this.across || 1) || 1; }

  fitted() {
    const { width, height } = this.spec, scale = Math.min(this.base.width / width, this.base.height / height);
    return { scale, x: (this.base.width - width * scale) / 2, y: (this.base.height - height * scale) / 2 };
  }

  get atFit() { return !this.view || this.view.scale <= this.fitted().scale * 1.001; }

  fit() {
    this.view = this.fitted();
    this.moved();
  }

  resize() {
    const dpr = window.devicePixelRatio || 1;
    const width = Math.round(this.stage.clientWidth * dpr), height = Math.round(this.stage.clientHeight * dpr);
    if (!width || !height) return;
    this.across = this.stage.clientWidth;
    const fitted = this.atFit, centre = this.view && this.toImage(this.base.width / 2, this.base.height / 2), before = this.ratio;
    if (this.base.width !== width || this.base.height !== height) {
      for (const canvas of [this.base, this.over]) { canvas.width = width; canvas.height = height; }
      this.resizedAt = performance.now(); // that cleared them
    }
    if (this.wanted) {
      this.view = this.wanted;
      this.wanted = null;
      return this.moved();
    }
    if (fitted) return this.fit();
    this.view.scale *= this.ratio / before || 1;
    this.view.x = width / 2 - centre[0] * this.view.scale;
    this.view.y = height / 2 - centre[1] * this.view.scale;
    this.moved();
  }

  toImage(x, y) { return [(x - this.view.x) / this.view.scale, (y - this.view.y) / this.view.scale]; }

  /* Device pixels of an event. */
  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  zoom(factor, x = this.base.width / 2, y = this.base.height / 2) {
    const least = this.fitted().scale, most = Math.max(MOST_ZOOM * this.ratio, least);
    const scale = Math.min(most, Math.max(least, this.view.scale * factor)), [ix, iy] = this.toImage(x, y);
    this.view = { scale, x: x - ix * scale, y: y - iy * scale };
    this.moved();
  }

  /* Bring a cell into the middle, large enough to judge its outline; a view that shows it well keeps its scale. */
  reveal({ box: [x0, y0, x1, y1] }) {
    if (!this.view) return;
    const { width, height } = this.base, side = Math.max(x1 - x0, y1 - y0, 1);
    const wanted = Math.max(this.fitted().scale, Math.min(Math.min(width, height) / (4 * side), 8 * this.ratio));
    const scale = this.view.scale > wanted / 2 && this.view.scale < 2 * wanted ? this.view.scale : wanted;
    this.view = { scale, x: width / 2 - ((x0 + x1) / 2) * scale, y: height / 2 - ((y0 + y1) / 2) * scale };
    this.moved();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.moved();
  }

  /* Keep the image in sight: centred where it is smaller than the canvas, without a gap at the edge where it is larger. */
  moved() {
    this.movedAt = performance.now();
    const { width, height } = this.spec, v = this.view;
    const held = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
    v.x = held(v.x, width * v.scale, this.base.width);
    v.y = held(v.y, height * v.scale, this.base.height);
    this.stage.style.touchAction = this.atFit ? 'pan-y' : 'none';
    this.viewer.views.set(this.spec.key, { ...v, fit: this.atFit });
    this.viewer.toolbar.refresh();
    this.paint();
  }

  labelAt(x, y) {
    if (!this.labels || x < 0 || y < 0 || x >= this.spec.width || y >= this.spec.height) return 0;
    const r = this.spec.reduction;
    return this.labels[Math.floor(y / r) * this.columns + Math.floor(x / r)] || 0;
  }

  destroy() {
    this.gone = true;
    this.observer.disconnect();
    this.watch.disconnect();
    this.base.width = this.base.height = this.over.width = this.over.height = 0; // frees the pixels at once
    this.figure.remove();
  }
}
