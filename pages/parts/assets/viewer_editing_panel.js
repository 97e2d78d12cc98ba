/* The row of tools for correcting outlines, and the list of cells to look at first. */

Object.assign(ICONS, {
  select: '<path d="M6 3.500 18.500 12l-6 1.300L9 19.500Z"/>',
  remove: '<circle cx="12" cy="12" r="8"/><path d="m9 9 6 6M15 9l-6 6"/>',
  merge: '<path d="M10 6.500a5.500 5.500 0 1 0 0 11c1.500 0 2.500-.600 4-.600a5 5 0 1 0 0-9.800c-1.500 0-2.500-.600-4-.600Z"/>',
  split: '<circle cx="12" cy="12" r="7.500"/><path d="M15.500 2.500 8.500 21.500"/>',
  draw: '<path d="m4 20 1-4L16 5l3 3L8 19Z"/>',
  outline: '<path d="M10 4.200a8 8 0 1 0 9.800 9.800"/><path d="m12 12 .700-3L18.500 3.200l2.300 2.300L15 11.300Z"/>',
  undo: '<path d="M9 6.500 4 11.500l5 5"/><path d="M4 11.500h10a6 6 0 0 1 6 6v1"/>',
  redo: '<path d="m15 6.500 5 5-5 5"/><path d="M20 11.500H10a6 6 0 0 0-6 6v1"/>',
});

const TOOLS = [ // name, words, key, what to do
  ['select', 'Select', 'Esc', 'Click a cell to choose it, with Shift several. Drag moves the picture.'],
  ['remove', 'Remove', 'X', 'Click a cell to remove it.'],
  ['merge', 'Merge', 'M', 'Click one cell, then the one that belongs to it.'],
  ['split', 'Split', 'S', 'Draw a line across the cell.'],
  ['draw', 'Draw', 'D', 'Draw around a cell that is missing; other cells stay whole.'],
  ['outline', 'Redraw', 'E', 'Click a cell, then draw its outline anew.'],
];

class EditingPanel {
  constructor(editor) {
    this.editor = editor;
    this.tools = new Map(TOOLS.map(([name, words, key]) => [name, this.tool(name, words, key, () => editor.choose(name))]));
    this.undo = this.tool('undo', 'Undo', 'Z', () => editor.undo());
    this.redo = this.tool('redo', 'Redo', 'Y', () => editor.redo());
    this.hint = element('div', 'hint', { role: 'status' });
    this.bar = element('div', 'edit-bar', { role: 'toolbar', 'aria-label': 'Correct outlines' },
      element('div', 'edit-tools', {}, ...this.tools.values(), element('span', 'gap'), this.undo, this.redo), this.hint);
    this.title = element('b');
    this.rows = element('ol');
    this.previous = this.plain('Previous', 'P', () => editor.step(-1));
    this.next = this.plain('Next', 'N', () => editor.step(1));
    this.list = element('aside', 'suspects', { 'aria-label': 'Suspicious cells' }, this.title, this.rows, element('div', 'steps', {}, this.previous, this.next));
  }

  tool(icon, words, key, act) {
    const node = button(icon, `${words} (${key})`, act);
    node.classList.add('named');
    node.append(element('span', '', {}, words));
    return node;
  }

  plain(words, key, act) {
    const node = element('button', 'plain', { type: 'button', title: `${words} suspicious cell (${key})`, 'aria-label': `${words} suspicious cell (${key})` }, words);
    node.addEventListener('click', act);
    return node;
  }

  refresh() {
    const { editor } = this, { data } = editor;
    if (!data) return;
    for (const [name, node] of this.tools) node.setAttribute('aria-pressed', String(name === editor.tool));
    const waits = editor.pending.length > 0;
    this.undo.disabled = !data.undo && !waits;
    this.redo.disabled = !data.redo && !waits;
    this.hint.textContent = editor.problem || this.advice();
    this.hint.classList.toggle('failed', Boolean(editor.problem));
    editor.field?.stage.classList.toggle('drawing', editor.tool in DRAWN);
    this.refreshList();
  }

  advice() {
    const { editor } = this, n = editor.picked.length;
    if (editor.tool === 'select' && n > 1) return `${n} cells chosen: M merges them, X removes them.`;
    if (editor.tool === 'select' && n === 1) return `Cell ${editor.picked[0]} chosen: X removes it, S splits it, E draws it anew; Shift and a click choose one more.`;
    if (editor.tool === 'merge' && n) return `Click the cell that belongs to cell ${editor.picked[0]}.`;
    return TOOLS.find(([name]) => name === editor.tool)[3];
  }

  refreshList() {
    const { suspects } = this.editor.data, [now] = this.editor.picked, shown = JSON.stringify(suspects);
    this.title.textContent = suspects.length ? `Look at these first (${suspects.length})` : 'No suspicious cells';
    this.previous.disabled = this.next.disabled = !suspects.length;
    if (shown !== this.shown) {
      this.shown = shown;
      this.rows.replaceChildren(...suspects.map(([label, reason, clear]) => this.row(label, reason, clear)));
    }
    for (const { firstChild: node } of this.rows.children) {
      const current = Number(node.dataset.label) === now;
      if (current && node.getAttribute('aria-current') !== 'true') this.bring(node.parentNode);
      node.setAttribute('aria-current', String(current));
    }
  }

  /* Scroll the list, not the page. */
  bring(row) {
    const { rows } = this, top = row.offsetTop - rows.offsetTop;
    if (top < rows.scrollTop || top + row.offsetHeight > rows.scrollTop + rows.clientHeight) rows.scrollTop = top - rows.clientHeight / 3;
  }

  row(label, reason, clear) {
    const node = element('button', 'suspect', { type: 'button', 'data-label': String(label) }, element('b', '', {}, `Cell ${label}`), element('span', clear ? '' : 'quiet', {}, reason));
    node.addEventListener('click', () => {
      const cell = this.editor.field?.outlines?.get(label);
      if (!cell) return;
      this.editor.pick([label]);
      this.editor.field.reveal(cell);
    });
    return element('li', '', {}, node);
  }
}
