// The status page. What it shows comes from /api/v1; texts from outside are only ever text nodes.
'use strict'
const LOOK_MS = 5000
const POINTS_MAX = 720
/** A chart shows ten minutes at least. */
const SPAN_S = 600
const CHARTS = [
  [
    'chart-mail',
    [
      ['accepted', '#1a7f4b'],
      ['refused', '#b3261e'],
    ],
  ],
  [
    'chart-delivery',
    [
      ['delivered', '#1a5fb4'],
      ['deferred', '#b06a00'],
      ['bounced', '#b3261e'],
    ],
  ],
  [
    'chart-queue',
    [
      ['messages', '#5b3fa0'],
      ['active', '#1a5fb4'],
    ],
  ],
]
const charts = new Map()
let points = []
let token = sessionStorage.getItem('token') ?? ''

const element = (id) => document.getElementById(id)

async function ask(path) {
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(path, { headers, cache: 'no-store' })
  if (response.status === 401) return undefined
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
  return await response.json()
}

function rows(table, lines) {
  element(table).replaceChildren(
    ...lines.map((cells, i) => {
      const row = document.createElement('tr')
      for (const cell of cells) {
        const made = document.createElement(i === 0 && table === 'processes' ? 'th' : 'td')
        made.textContent = String(cell)
        row.append(made)
      }
      return row
    }),
  )
}

const mib = (bytes) => `${Math.round(bytes / 1_048_576).toLocaleString('en')} MiB`
const fixed = (value) => value.toFixed(value < 10 ? 2 : 0)

function duration(seconds) {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ])
    if (seconds >= size) return `${(seconds / size).toFixed(1)} ${unit}`
  return `${Math.round(seconds)} s`
}

function show(status) {
  element('host').textContent = status.hostname
  const ready = element('ready')
  ready.textContent = status.ready ? 'takes mail' : status.reasons.join(' ')
  ready.className = status.ready ? 'good' : 'bad'
  showAlarms(status.alarms)
  const { queue, machine } = status
  rows('queue', [
    ['messages', queue.messages],
    ['in memory', queue.activeMessages],
    ...Object.entries(queue.recipients).map(([state, count]) => [`recipients ${state}`, count]),
    ['oldest message', duration(queue.oldestMessageSeconds)],
    ['oldest due', duration(queue.oldestDueSeconds)],
    ['disk free', `${mib(queue.diskFreeBytes)} of ${mib(queue.diskSizeBytes)}`],
  ])
  rows('box', [
    ['load', machine.load.map(fixed).join('  ')],
    ['cores', machine.cores],
    ['memory free', `${mib(machine.availableBytes)} of ${mib(machine.memoryBytes)}`],
    ['settings', `generation ${status.generation}`],
    ['signatures', status.signatures.count],
    ...status.certificates.map(({ name, untilMs }) => [
      name,
      `until ${new Date(untilMs).toISOString().slice(0, 10)}`,
    ]),
  ])
  rows('processes', [
    ['process', 'state', 'for', 'restarts', 'memory', 'CPU seconds'],
    ...status.processes.map((one) => [
      one.name,
      one.silent ? 'silent' : one.state,
      duration(one.uptimeMs / 1000),
      one.restarts,
      mib(one.memoryBytes),
      fixed(one.cpuSeconds),
    ]),
  ])
  element('footer').textContent = `Postern ${status.version}, as of ${new Date(status.atMs).toLocaleString()}`
}

function showAlarms(alarms) {
  const lines = alarms.map(({ code, key, severity, reason }) => [severity, `${code} ${key}: ${reason}`])
  element('alarms').replaceChildren(
    ...(lines.length === 0 ? [['', 'none']] : lines).map(([severity, text]) => {
      const item = document.createElement('li')
      item.className = severity
      item.textContent = text
      return item
    }),
  )
}

function draw() {
  const times = points.map(({ atMs }) => atMs / 1000)
  for (const [id, lines] of CHARTS) {
    const data = [times, ...lines.map(([name]) => points.map((point) => point[name]))]
    const known = charts.get(id)
    const width = element(id).clientWidth
    if (known === undefined) {
      const series = [{}, ...lines.map(([label, stroke]) => ({ label, stroke, width: 1.5 }))]
      const scales = {
        x: { range: (_chart, first, last) => [Math.min(first, last - SPAN_S), last] },
        y: { range: (_chart, _least, most) => [0, Math.max(1, most * 1.1)] },
      }
      charts.set(id, new uPlot({ width, height: 180, series, scales }, data, element(id)))
    } else {
      if (known.width !== width) known.setSize({ width, height: 180 })
      known.setData(data)
    }
  }
}

async function look() {
  try {
    const history = await ask('/api/v1/history')
    const status = history === undefined ? undefined : await ask('/api/v1/status')
    element('login').hidden = status !== undefined
    element('main').hidden = status === undefined
    if (status === undefined) {
      element('ready').textContent = 'a token is wanted'
      return
    }
    points = history.points.slice(-POINTS_MAX)
    show(status)
    draw()
    document.body.dataset.shown = 'yes'
  } catch (error) {
    element('ready').textContent = `no answer: ${error.message}`
    element('ready').className = 'bad'
  }
}

element('login').addEventListener('submit', (event) => {
  event.preventDefault()
  token = element('token').value
  sessionStorage.setItem('token', token)
  void look()
})
void look()
setInterval(() => void look(), LOOK_MS)
