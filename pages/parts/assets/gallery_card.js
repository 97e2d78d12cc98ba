/* One cell of the gallery: its picture, why it stands here, what is decided. */

function made(tag, name, attributes = {}, ...inside) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

class CellCard {
  constructor(gallery, spec) {
    this.spec = spec;
    this.image = made('img', '', { alt: '', draggable: 'false' });
    this.image.addEventListener('error', () => this.node.classList.add('failed'));
    this.image.addEventListener('load', () => this.node.classList.remove('failed'));
    this.mark = made('span', 'mark');
    this.words = made('span', 'words');
    this.others = made('span', 'others');
    this.picture = made('div', 'picture', {}, this.image, this.mark);
    this.node = made('button', 'card', { type: 'button', tabindex: '-1', 'data-cell': idOf(spec) }, this.picture, this.words, this.others);
    this.node.addEventListener('click', () => gallery.go(gallery.cards.indexOf(this)));
    this.node.addEventListener('dblclick', () => gallery.zoom.open());
  }

  refresh(gallery) {
    const { spec } = this, own = gallery.model.own(spec), { blind } = gallery.data;
    const address = gallery.address(spec, { bare: !gallery.outlined });
    if (this.image.getAttribute('src') !== address) this.image.src = address;
    const current = gallery.card === this;
    this.node.dataset.decision = own || '';
    this.node.setAttribute('aria-current', String(current));
    this.mark.textContent = own ? `${DECISIONS[own].mark} ${DECISIONS[own].name}` : '';
    const app = blind ? '' : spec.automatic ? `app: ${spec.automatic}` : 'app: no class';
    this.words.replaceChildren(made('b', '', {}, spec.line || spec.field), ...[app, spec.words].filter(Boolean).map((text) => made('span', '', {}, text)));
    if (spec.fragile) this.words.append(made('span', 'fragile', { title: 'The class changes within the error of the alignment.' }, 'fragile'));
    this.others.textContent = blind ? '' : spec.others.map(([rater, what]) => `${rater}: ${what}`).join(' · ');
    this.node.setAttribute('aria-label', this.spoken(own, app));
  }

  spoken(own, app) {
    const { spec } = this;
    return [`Cell ${spec.label} of ${spec.field}`, spec.line, app, own ? `you: ${own}` : 'undecided'].filter(Boolean).join(', ');
  }
}
