/* The row above the pictures: what the colours mean (each can be hidden), outlines, light, zoom. */

const ICONS = {
  outlines: '<path d="M12 3.5c4.5-.6 8 2.2 8 6.600 0 5-3 10.400-8 10.400-4.600 0-8-2.800-8-7.600C4 7.800 7.500 4.100 12 3.500Z"/><circle cx="12" cy="12" r="2.4"/>',
  light: '<circle cx="12" cy="12" r="4"/><path d="M12 2.500v2.500M12 19v2.500M2.500 12H5M19 12h2.500M5.300 5.300 7 7M17 17l1.700 1.700M18.700 5.300 17 7M7 17l-1.700 1.700"/>',
  minus: '<path d="M5 12h14"/>',
  plus: '<path d="M5 12h14M12 5v14"/>',
  fit: '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/><rect x="8.500" y="8.500" width="7" height="7" rx="1"/>',
  full: '<path d="M14 10l6-6M14.500 4H20v5.500M10 14l-6 6M4 14.500V20h5.500"/>',
};

const MOST_LIGHT = 4; // times brighter or darker, more or less contrast, at the ends of the sliders

function button(icon, label, act) {
  const node = element('button', 'tool', { type: 'button', 'aria-label': label, title: label });
  node.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[icon]}</svg>`;
  node.addEventListener('click', act);
  return node;
}

class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.legend = element('div', 'legend', { role: 'group', 'aria-label': 'Kinds of cells shown' });
    this.outlines = button('outlines', 'Outlines (O)', () => viewer.toggleOutlines());
    this.lightButton = button('light', 'Brightness and contrast', () => this.toggleLight());
    this.zoomText = element('output', 'zoom', { 'aria-label': 'Zoom' });
    const each = (act) => () => viewer.fields.forEach((field) => field.view && act(field));
    this.node = element('div', 'toolbar', { role: 'toolbar', 'aria-label': 'Picture' }, this.legend,
      element('div', 'tools', {}, this.outlines, this.lightButton, element('span', 'gap'),
        button('minus', 'Zoom out (−)', each((field) => field.zoom(1 / 1.5))), this.zoomText,
        button('plus', 'Zoom in (+)', each((field) => field.zoom(1.5))),
        button('fit', 'Show the whole field (0 or double click)', each((field) => field.fit())),
        button('full', 'Full screen', () => viewer.toggleFullScreen())));
    this.panel = this.lightPanel();
  }

  lightPanel() {
    const { light } = this.viewer;
    const slider = (name, label) => {
      const input = element('input', '', { type: 'range', min: '-100', max: '100', step: '4', 'aria-label': label });
      input.value = '0';
      input.addEventListener('input', () => { light[name] = MOST_LIGHT ** (input.value / 100); this.viewer.repaint(); });
      return [input, element('label', '', {}, label, input)];
    };
    const [brightness, first] = slider('brightness', 'Brightness'), [contrast, second] = slider('contrast', 'Contrast');
    const reset = element('button', 'plain', { type: 'button' }, 'Reset');
    reset.addEventListener('click', () => {
      light.brightness = light.contrast = 1;
      brightness.value = contrast.value = '0';
      this.viewer.repaint();
    });
    const panel = element('div', 'light-panel', { role: 'group', 'aria-label': 'Brightness and contrast' }, first, second, reset,
      element('span', 'quiet', {}, 'Only on this screen; the data stay as they are.'));
    panel.hidden = true;
    this.lightButton.setAttribute('aria-expanded', 'false');
    return panel;
  }

  toggleLight() {
    this.panel.hidden = !this.panel.hidden;
    this.lightButton.setAttribute('aria-expanded', String(!this.panel.hidden));
  }

  refresh() {
    this.outlines.setAttribute('aria-pressed', String(this.viewer.outlined));
    this.lightButton.classList.toggle('on', this.viewer.light.changed);
    const field = this.viewer.fields.find((one) => one.view);
    this.zoomText.textContent = field ? `${Math.round((100 * field.view.scale) / field.ratio)} %` : '';
    this.refreshLegend();
  }

  refreshLegend() {
    const { legend } = this.viewer.data, counts = this.viewer.counts();
    const shown = JSON.stringify([legend, counts.map((one) => one !== null), [...this.viewer.hidden]]);
    if (shown === this.shown) return this.recount(counts);
    this.shown = shown;
    const focused = this.legend.getRootNode().activeElement?.dataset?.index;
    this.legend.replaceChildren(...legend.map(([name, colour], index) => this.chip(name, colour, index, counts[index])).filter(Boolean));
    if (focused !== undefined) this.legend.querySelector(`[data-index="${focused}"]`)?.focus();
  }

  /* The same chips with other numbers. */
  recount(counts) {
    for (const chip of this.legend.children) setText(chip.querySelector('b'), String(counts[chip.dataset.index]));
  }

  chip(name, colour, index, count) {
    if (count === null) return null;
    const swatch = element('i', 'swatch');
    swatch.style.background = colour;
    const shown = !this.viewer.hidden.has(index);
    const node = element('button', 'chip', { type: 'button', 'aria-pressed': String(shown), 'data-index': String(index), title: shown ? `Hide ${name.toLowerCase()}` : `Show ${name.toLowerCase()}` },
      swatch, element('span', '', {}, name), element('b', '', {}, String(count)));
    node.addEventListener('click', () => this.viewer.toggleClass(index));
    return node;
  }
}
