/* Sends files to the app one request each, three at a time, straight to disk on the other side. */

const LANES = 3;
const FOLDER_DEPTH = 12;

function element(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const ARROW = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 16V5M7.500 9 12 4.500 16.500 9M4.500 15.500v2.500A1.500 1.500 0 0 0 6 19.500h12a1.500 1.500 0 0 0 1.500-1.500v-2.500"/></svg>';

function megabytes(bytes) {
  const mb = bytes / 2 ** 20; // as file managers and SENESCOPE_MAX_UPLOAD_MB count
  if (mb >= 1000) return `${Number((mb / 1024).toFixed(1))} GB`;
  return mb >= 1 ? `${Math.round(mb)} MB` : `${Math.max(1, Math.round(mb * 1024))} kB`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const files = (n) => `${n} ${n === 1 ? 'file' : 'files'}`;

/* The files of a drop, with their path inside the dropped folders. */
async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  return (await Promise.all(entries.map((entry) => inside(entry, '', FOLDER_DEPTH)))).flat();
}

async function inside(entry, folder, depth) {
  const path = folder + entry.name;
  if (entry.isFile) return [{ file: await new Promise((found, failed) => entry.file(found, failed)), path }];
  if (!depth) return [];
  const reader = entry.createReader(), all = [];
  for (;;) { // a folder is handed out in portions
    const some = await new Promise((found, failed) => reader.readEntries(found, failed));
    if (!some.length) break;
    all.push(...some);
  }
  return (await Promise.all(all.map((one) => inside(one, `${path}/`, depth - 1)))).flat();
}

/* Names without the folders that all files share: "day 1/phase/a.tif" next to "day 1/stain/a.tif" is "phase/a.tif". */
function named(found) {
  const folders = found.map(({ path }) => path.split('/').slice(0, -1));
  let shared = 0;
  while (folders.length && folders.every((parts) => parts.length > shared && parts[shared] === folders[0][shared])) shared++;
  return found.map(({ file, path }) => ({ file, name: path.split('/').slice(shared).join('/') }));
}

class Upload {
  constructor(root) {
    this.files = element('input', '', { type: 'file', multiple: '', tabindex: '-1', 'aria-label': 'Files to add' });
    this.folder = element('input', '', { type: 'file', multiple: '', webkitdirectory: '', tabindex: '-1', 'aria-label': 'Folder to add' });
    this.folderButton = this.button('Choose a folder', '', () => this.folder.click());
    const icon = element('div', 'icon');
    icon.innerHTML = ARROW;
    this.headline = element('div', 'headline');
    this.formats = element('div', 'quiet');
    this.zone = element('div', 'zone', { role: 'group' }, icon, element('div', 'words', {}, this.headline, this.formats),
      element('div', 'buttons', {}, this.button('Choose files', 'main', () => this.files.click()), this.folderButton),
      this.files, this.folder);
    this.total = element('progress', '', { 'aria-label': 'Upload', max: '1', value: '0' });
    this.status = element('div', 'status', { role: 'status' });
    this.stopButton = this.button('Stop', '', () => this.stop());
    this.again = this.button('Try these again', '', () => this.start(this.retry));
    this.running = element('div', 'running', { hidden: '' }, element('div', 'line', {}, this.status, this.stopButton), this.total);
    this.list = element('ul', 'files', { 'aria-label': 'Files' });
    this.failures = element('div', 'failures', { role: 'alert', hidden: '' });
    this.node = element('div', 'upload', {}, this.zone, this.running, this.list, this.failures);
    root.append(this.node);
    this.listen();
  }

  button(label, className, act) {
    const node = element('button', className, { type: 'button' }, label);
    node.addEventListener('click', act);
    return node;
  }

  listen() {
    for (const input of [this.files, this.folder]) {
      input.addEventListener('change', () => {
        const found = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
        input.value = ''; // the same choice again is a change again
        this.add(found);
      });
    }
    const over = (on) => (event) => { event.preventDefault(); this.zone.classList.toggle('over', on && !this.busy); };
    this.zone.addEventListener('dragenter', over(true));
    this.zone.addEventListener('dragover', over(true));
    this.zone.addEventListener('dragleave', (event) => { if (!this.zone.contains(event.relatedTarget)) over(false)(event); });
    this.zone.addEventListener('drop', async (event) => {
      over(false)(event);
      if (!this.busy) this.add(await dropped(event.dataTransfer));
    });
    this.leaving = (event) => { if (this.busy) event.preventDefault(); };
    window.addEventListener('beforeunload', this.leaving);
  }

  show(data) {
    this.data = data;
    this.headline.textContent = data.label;
    this.formats.textContent = `${data.formats} · up to ${megabytes(data.limit)} each`;
    this.zone.setAttribute('aria-label', data.label);
    this.folderButton.style.display = data.folders ? '' : 'none';
    this.files.accept = data.suffixes.join(',');
  }

  /* Hidden files of the system (.DS_Store, Thumbs.db) come along with every folder and are no news to anybody. */
  add(found) {
    const wanted = found.filter(({ path }) => !/(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini)$/i.test(path));
    if (wanted.length) this.start(named(wanted).map((one) => ({ ...one, sent: 0, size: one.file.size, state: 'waiting' })));
  }

  async start(work) {
    if (this.busy || !work.length) return;
    Object.assign(this, { busy: true, work, stopped: false, began: performance.now() });
    this.node.classList.add('busy');
    this.running.hidden = false;
    this.failures.hidden = true;
    this.stopButton.hidden = false;
    this.list.replaceChildren(...work.map((one) => this.line(one)));
    const waiting = [...work];
    const lane = async () => { for (let one; (one = waiting.shift());) await this.send(one); };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (!this.gone) this.finish();
  }

  line(one) {
    one.bar = element('span', 'bar');
    one.note = element('span', 'quiet', {}, 'waiting');
    one.node = element('li', '', {}, element('span', 'name', { title: one.name }, one.name), element('span', 'track', { 'aria-hidden': 'true' }, one.bar), one.note);
    return one.node;
  }

  async send(one) {
    const refused = this.stopped ? 'not sent' : this.refusal(one);
    const answer = refused ? { why: refused } : await this.post(one);
    one.sent = one.size;
    one.state = answer.why === undefined ? 'ok' : 'bad';
    Object.assign(one, answer);
    one.node.className = one.state;
    one.note.textContent = one.state === 'ok' ? 'done' : 'failed';
    this.progress();
  }

  refusal({ name, size }) {
    if (!this.data.suffixes.some((suffix) => name.toLowerCase().endsWith(suffix))) return `not one of ${this.data.formats}.`;
    if (size > this.data.limit) return `${megabytes(size)} is larger than the ${megabytes(this.data.limit)} that this app takes.`;
    return size ? '' : 'the file is empty.';
  }

  /* XMLHttpRequest, because fetch does not tell how much has been sent. */
  post(one) {
    return new Promise((settle) => {
      const request = new XMLHttpRequest();
      one.request = request;
      request.open('POST', `${this.data.url}?name=${encodeURIComponent(one.name)}`);
      request.setRequestHeader('X-Upload-Token', this.data.token);
      request.upload.onprogress = (event) => { one.sent = Math.min(event.loaded, one.size); this.progress(one); };
      request.onload = () => {
        if (request.status === 200) settle({ stored: JSON.parse(request.responseText).stored });
        else settle({ why: request.responseText || `the app answered ${request.status}.` });
      };
      request.onerror = () => settle({ why: 'the connection broke. Is the app still running, and the file still in its place?' });
      request.onabort = () => settle({ why: 'stopped' });
      request.send(one.file);
    });
  }

  progress(one) {
    if (one) {
      const share = one.size ? one.sent / one.size : 1;
      one.bar.style.width = `${100 * share}%`;
      one.note.textContent = share < 1 ? `${Math.floor(100 * share)} %` : 'storing';
    }
    const total = this.work.reduce((sum, { size }) => sum + size, 0), sent = this.work.reduce((sum, each) => sum + each.sent, 0);
    const ended = this.work.filter(({ state }) => state !== 'waiting').length, seconds = (performance.now() - this.began) / 1000;
    this.total.value = total ? sent / total : 1;
    const left = sent && seconds > 1 && sent < total ? ` · about ${duration((seconds * (total - sent)) / sent)} left` : '';
    this.status.textContent = `${ended} of ${files(this.work.length)} · ${megabytes(sent)} of ${megabytes(total)}${left}`;
  }

  stop() {
    this.stopped = true;
    for (const { request } of this.work) request?.abort();
  }

  finish() {
    const ok = this.work.filter(({ state }) => state === 'ok'), bad = this.work.filter(({ state }) => state === 'bad');
    this.busy = false;
    this.node.classList.remove('busy');
    this.stopButton.hidden = true;
    this.list.replaceChildren();
    this.running.hidden = !ok.length;
    this.total.value = 1;
    this.status.textContent = `${files(ok.length)} ${this.data.added}`;
    this.tellFailures(bad);
    this.tell('done', { ok: ok.map(({ name, stored }) => ({ name, stored })), bad: bad.map(({ name, why }) => ({ name, why })) });
  }

  tellFailures(bad) {
    this.retry = bad.map(({ file, name, size }) => ({ file, name, size, sent: 0, state: 'waiting' }));
    this.failures.hidden = !bad.length;
    this.failures.replaceChildren(element('b', '', {}, `${files(bad.length)} not added`),
      element('ul', '', {}, ...bad.map(({ name, why }) => element('li', '', {}, element('b', '', {}, name), ` – ${why}`))), this.again);
  }

  destroy() {
    this.gone = true;
    window.removeEventListener('beforeunload', this.leaving);
    if (this.busy) this.stop();
    this.node.remove();
  }
}

const UPLOADS = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let upload = UPLOADS.get(parentElement);
  if (!upload) UPLOADS.set(parentElement, upload = new Upload(parentElement));
  upload.tell = setTriggerValue;
  const call = upload.calls = (upload.calls || 0) + 1;
  upload.show(data);
  return () => {
    // Streamlit also calls this for a message that a newer one has overtaken: then the upload goes on.
    if (upload.calls !== call) return;
    UPLOADS.delete(parentElement);
    upload.destroy();
  };
}
