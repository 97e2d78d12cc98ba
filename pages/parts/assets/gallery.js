/* The gallery as a Streamlit component: a page of cells, one of them current, decided on with keys or buttons. */

const RESEND_MS = 2500;
const SIDE = 256; // of each picture in device pixels

class Gallery {
  constructor(root) {
    this.model = new Model();
    this.cards = [];
    this.at = 0;
    this.outlined = true;
    this.zoom = new Zoom(this);
    this.grid = made('div', 'grid', { role: 'group', 'aria-label': 'Cells' });
    this.hint = made('span', 'hint', { role: 'status' });
    this.place = made('span', 'place');
    this.back = this.button('tool', '‹', 'Previous page', () => this.turn(-1));
    this.forth = this.button('tool', '›', 'Next page', () => this.turn(1));
    this.legend = made('span', 'legend');
    this.count = made('span', 'count');
    this.head = made('div', 'head', {}, this.legend, this.hint, made('span', 'turn', {}, this.back, this.place, this.forth));
    this.bar = made('div', 'bar', {}, ...this.buttons(), this.count);
    this.zoom.keys.append(...this.buttons());
    this.node = made('div', 'gallery', { tabindex: '0', 'aria-label': 'Cells to decide on' }, this.head, this.grid, this.bar, this.zoom.node);
    this.node.addEventListener('keydown', (event) => this.key(event));
    // Who clicks beside the gallery has left no other place: the keys still mean it, not Streamlit's own shortcuts.
    this.elsewhere = (event) => {
      const at = document.activeElement || document.body, own = this.node.getRootNode().host || this.node;
      if (at !== own && at.contains(own)) this.key(event);
    };
    document.addEventListener('keydown', this.elsewhere, true);
    root.append(this.node);
  }

  get card() { return this.cards[this.at]; }

  get data() { return this.model.data; }

  button(name, text, title, act, key = '') {
    const node = made('button', name, { type: 'button', title: key ? `${title} (${key.toUpperCase()})` : title, 'aria-label': title }, text);
    if (key) node.append(made('kbd', '', {}, key.toUpperCase()));
    node.addEventListener('click', act);
    return node;
  }

  buttons() {
    const decide = Object.entries(DECISIONS).map(([what, one]) => {
      const node = this.button('decide', one.name, one.name, () => this.decide(what), one.key);
      node.dataset.decision = what;
      return node;
    });
    return [
      ...decide,
      this.button('other', 'Undo', 'Undo', () => this.undo(), 'u'),
      this.button('other larger', 'Larger', 'Larger view', () => this.zoom.toggle(), '⏎'),
      this.button('other', 'Outline', 'Show or hide the outline', () => this.outline(), 'o'),
    ];
  }

  // ---- data of the app

  show(data) {
    const before = this.data, first = !before.address, named = !first && !before.rater && data.rater;
    this.model.take(data);
    if (data.problem && data.problem !== before.problem) this.say(data.problem, true);
    else if (first || data.rater !== before.rater) this.say(data.rater && matchMedia('(hover: hover)').matches ? 'Press P or N; arrows move.' : '');
    const same = before.cards.length === data.cards.length && data.cards.every((one, k) => idOf(one) === idOf(before.cards[k]));
    if (same) this.cards.forEach((card, k) => { card.spec = data.cards[k]; });
    else this.lay(data, data.page < before.page);
    this.grid.style.setProperty('--views', data.views.length);
    this.bar.hidden = this.head.hidden = !data.cards.length;
    clearTimeout(this.again);
    if (this.model.pending.length) this.again = setTimeout(() => this.send(), RESEND_MS);
    this.refresh();
    this.ahead = data.following.map(([field, label]) => Object.assign(new Image(), { src: this.address({ field, label }) }));
    if (named || (first && (!document.activeElement || document.activeElement === document.body))) this.node.focus({ preventScroll: true });
  }

  lay(data, backwards) {
    const held = this.node.matches(':focus-within');
    this.cards = data.cards.map((spec) => new CellCard(this, spec));
    this.grid.replaceChildren(...this.cards.map((card) => card.node));
    const open = this.cards.findIndex((card) => !this.model.own(card.spec));
    this.at = backwards ? this.cards.length - 1 : Math.max(open, 0);
    if (held) this.node.focus({ preventScroll: true });
  }

  address({ field, label }, { side = SIDE, wide = false, bare = false } = {}) {
    const asked = new URLSearchParams({ field, cell: label, side });
    if (wide) asked.set('wide', '1');
    if (bare) asked.set('bare', '1');
    return `${this.data.address}?${asked}`;
  }

  refresh() {
    const { data, model } = this;
    this.cards.forEach((card) => card.refresh(this));
    this.node.classList.toggle('nameless', !data.rater);
    this.legend.textContent = data.views.join(' | ');
    this.place.textContent = data.pages ? `Page ${data.page + 1} of ${data.pages}` : '';
    this.back.disabled = data.page === 0;
    this.forth.disabled = data.page >= data.pages - 1;
    const decided = data.decided + model.ahead;
    this.count.textContent = `${decided} decided, ${data.total - decided} left`;
    for (const bar of [this.bar, this.zoom.keys]) {
      for (const node of bar.querySelectorAll('.decide')) node.disabled = !data.rater;
      for (const node of bar.querySelectorAll('.decide')) node.setAttribute('aria-pressed', String(this.card && model.own(this.card.spec) === node.dataset.decision));
    }
    this.zoom.refresh();
  }

  say(text, wrong = false) {
    this.hint.textContent = text;
    this.hint.classList.toggle('failed', wrong);
  }

  // ---- what the user does

  go(at) {
    if (at < 0) return this.turn(-1);
    if (at >= this.cards.length) return this.turn(1);
    this.at = at;
    this.node.focus({ preventScroll: true });
    this.refresh();
    const { node } = this.card, box = node.getBoundingClientRect();
    if (box.top < 70 || box.bottom > innerHeight - this.bar.offsetHeight) node.scrollIntoView({ block: 'center' });
    return undefined;
  }

  turn(by) {
    const { page, pages } = this.data, to = page + by;
    if (to < 0 || to >= pages) return this.say(by < 0 ? 'This is the first cell.' : 'That was the last cell.');
    if (this.model.turning) return undefined;
    this.model.turn(by);
    this.say('');
    this.send();
    return undefined;
  }

  decide(what) {
    if (!this.card) return;
    if (!this.data.rater) { this.say('Enter your name first: it is kept with every decision.', true); return; }
    this.model.decide(this.card.spec, what);
    this.send();
    if (this.at < this.cards.length - 1) { this.say(''); this.go(this.at + 1); return; }
    const more = this.data.page < this.data.pages - 1;
    this.say(more ? 'End of this page: → for the next one.' : 'That was the last cell.');
    this.refresh();
  }

  undo() {
    const taken = this.model.undo();
    if (!taken) { this.say('There is nothing to undo.'); return; }
    this.send();
    const at = this.cards.findIndex((card) => idOf(card.spec) === idOf(taken));
    this.say(`Taken back: “${taken.was}” for cell ${taken.label} of ${taken.field}.`);
    if (at >= 0) this.go(at);
    else this.refresh();
  }

  outline() {
    this.outlined = !this.outlined;
    this.refresh();
  }

  send() {
    clearTimeout(this.again);
    if (!this.model.pending.length) return;
    this.tell('told', { messages: this.model.pending });
    this.again = setTimeout(() => this.send(), RESEND_MS);
  }

  /* Cells in a row of the grid, for up and down. */
  get columns() {
    const top = this.cards[0]?.node.offsetTop;
    const next = this.cards.findIndex((card) => card.node.offsetTop !== top);
    return next > 0 ? next : this.cards.length;
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = this.action(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    const onButton = event.key === 'Enter' && event.composedPath()[0].closest?.('.head, .bar, .zoom-head, .zoom-keys');
    if (!act || onButton) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  action(key) {
    const decision = Object.keys(DECISIONS).find((what) => [DECISIONS[what].key, DECISIONS[what].other].includes(key));
    if (decision) return () => this.decide(decision);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[key];
    if (step) return () => this.go(Math.abs(step) > 1 ? this.row(step) : this.at + step);
    return {
      u: () => this.undo(), o: () => this.outline(), w: () => this.zoom.widen(), Enter: () => this.zoom.toggle(),
      PageDown: () => this.turn(1), PageUp: () => this.turn(-1), Home: () => this.go(0), End: () => this.go(this.cards.length - 1),
    }[key];
  }

  /* A row up or down stays on the page. */
  row(step) {
    const to = this.at + step;
    return to >= 0 && to < this.cards.length ? to : this.at;
  }

  destroy() {
    clearTimeout(this.again);
    document.removeEventListener('keydown', this.elsewhere, true);
    this.node.remove();
  }
}

const GALLERIES = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let gallery = GALLERIES.get(parentElement);
  if (!gallery) GALLERIES.set(parentElement, gallery = new Gallery(parentElement));
  gallery.tell = setTriggerValue;
  const call = gallery.calls = (gallery.calls || 0) + 1;
  gallery.show(data);
  return () => {
    // Streamlit also calls this for a message that a newer one has overtaken: then the gallery lives on.
    if (gallery.calls !== call) return;
    GALLERIES.delete(parentElement);
    gallery.destroy();
  };
}
