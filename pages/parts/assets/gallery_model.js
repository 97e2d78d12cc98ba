/* What stands of the rater's decisions: what the app has saved, and on top what it has not heard of yet.
 *
 * Messages are kept and sent again until the app has heard them; an order that comes twice changes nothing there. */

const DECISIONS = {
  positive: { key: 'p', other: '1', name: 'Positive', mark: '+' },
  negative: { key: 'n', other: '0', name: 'Negative', mark: '–' },
  'cannot tell': { key: 'c', name: 'Cannot tell', mark: '?' },
  exclude: { key: 'x', name: 'Exclude', mark: '✕' },
};

const idOf = (one) => `${one.field}:${one.label}`;

class Model {
  constructor() {
    this.pending = [];
    this.told = 0;
    this.data = { cards: [], log: [] };
  }

  take(data) {
    this.data = data;
    this.pending = this.pending.filter((message) => message.at > data.heard);
    this.replay();
  }

  /* Decisions that can be taken back, the last at the end. */
  replay() {
    this.log = this.data.log.map(([field, label, decision]) => ({ field, label, decision }));
    for (const message of this.pending) {
      if (!message.decision) continue;
      if (message.decision !== 'undo') this.log.push(message);
      else this.log.splice(this.log.findLastIndex((one) => idOf(one) === idOf(message)), 1);
    }
    this.standing = new Map(this.log.map((one) => [idOf(one), one.decision]));
  }

  own(card) { return this.standing.get(idOf(card)) || card.own; }

  /* How many more cells are decided than the app knows of. */
  get ahead() {
    const known = new Set(this.data.log.map(([field, label]) => `${field}:${label}`));
    const now = new Set(this.log.map(idOf));
    const fresh = (id, there) => { const card = this.data.cards.find((one) => idOf(one) === id); return !there.has(id) && !card?.own && !card?.others.length; };
    return [...now].filter((id) => fresh(id, known)).length - [...known].filter((id) => fresh(id, now)).length;
  }

  decide(card, decision) {
    if (this.standing.get(idOf(card)) === decision) return null;
    return this.add({ field: card.field, label: card.label, decision, was: '' });
  }

  undo() {
    const last = this.log.at(-1);
    return last ? this.add({ field: last.field, label: last.label, decision: 'undo', was: last.decision }) : null;
  }

  turn(by) { return this.add({ turn: by }); }

  get turning() { return this.pending.some((message) => message.turn); }

  add(message) {
    this.told = Math.max(Date.now(), this.told + 1);
    this.pending.push({ at: this.told, ...message });
    this.replay();
    return message;
  }
}
