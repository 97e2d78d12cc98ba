/* A larger view of the current cell; the same keys work in it. */

class Zoom {
  constructor(gallery) {
    this.gallery = gallery;
    this.image = made('img', '', { alt: 'The current cell, larger' });
    this.title = made('b');
    this.said = made('span', 'said');
    this.wide = !matchMedia('(max-width: 700px)').matches;
    const close = made('button', 'tool', { type: 'button', 'aria-label': 'Close (Enter)' }, '✕');
    const wider = made('button', 'tool', { type: 'button' }, 'Nearer / wider (W)');
    close.addEventListener('click', () => this.close());
    wider.addEventListener('click', () => this.widen());
    this.keys = made('div', 'zoom-keys');
    this.words = made('div', 'words');
    this.node = made('dialog', 'zoom', { tabindex: '-1' }, made('div', 'zoom-head', {}, this.title, this.said, wider, close), this.words, this.image, this.keys);
    this.node.addEventListener('click', (event) => event.target === this.node && this.close());
    this.node.addEventListener('close', () => gallery.node.focus({ preventScroll: true }));
  }

  toggle() { this.node.open ? this.close() : this.open(); }

  open() {
    if (!this.gallery.card || this.node.open) return;
    this.node.showModal();
    this.node.focus();
    this.refresh();
  }

  close() { this.node.close(); }

  widen() {
    this.wide = !this.wide;
    this.refresh();
  }

  address(card) { return this.gallery.address(card.spec, { side: 640, wide: this.wide, bare: !this.gallery.outlined }); }

  refresh() {
    const { card, model, data } = this.gallery;
    if (!this.node.open) return;
    if (!card) return this.close();
    const own = model.own(card.spec);
    this.image.src = this.address(card);
    const next = this.gallery.cards[this.gallery.at + 1];
    if (next) this.ahead = Object.assign(new Image(), { src: this.address(next) });
    this.image.style.aspectRatio = `${data.views.length}`;
    this.node.style.setProperty('--views', data.views.length);
    this.title.textContent = `Cell ${card.spec.label} of ${card.spec.field}`;
    this.said.textContent = own ? `${DECISIONS[own].mark} ${DECISIONS[own].name}` : 'undecided';
    this.node.dataset.decision = own || '';
    this.words.replaceChildren(...[...card.words.children].map((one) => one.cloneNode(true)));
  }
}
