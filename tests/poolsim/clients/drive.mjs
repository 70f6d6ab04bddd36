// SPDX-License-Identifier: GPL-3.0-or-later
// What the examples of the npm package xen-api do, against a simulated pool: log-events, export-vm, import-vm,
// export-vdi, import-vdi. Prints one JSON object of what was seen.
//   node drive.mjs URL USER PASSWORD VM SR_NAME
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createClient } from 'xen-api'

const [url, user, password, vmName, srName] = process.argv.slice(2)
const seen = {}

const xapi = createClient({
  url,
  allowUnauthorized: true,
  auth: { user, password },
  watchEvents: true,
})
await xapi.connect()
await xapi.objectsFetched

// log-events: what changes is told.
const all = Object.values(xapi.objects.all)
const vm = all.find(o => o.$type === 'VM' && o.name_label === vmName)
const sr = all.find(o => o.$type === 'SR' && o.name_label === srName)
seen.vms = all.filter(o => o.$type === 'VM').length
seen.disks = vm.$VBDs.filter(v => v.type === 'Disk').map(v => v.$VDI.virtual_size)
const changed = new Promise(resolve => {
  const watch = objects => {
    const now = objects[vm.$id]
    if (now?.name_description === 'told by an event') {
      xapi.objects.removeListener('update', watch)
      resolve(true)
    }
  }
  xapi.objects.on('update', watch)
})
await xapi.setField('VM', vm.$ref, 'name_description', 'told by an event')
seen.event = await changed
await xapi.setFieldEntry('VM', vm.$ref, 'other_config', 'clients', 'one')
await xapi.setFieldEntry('VM', vm.$ref, 'other_config', 'clients', 'two')
seen.entry = (await xapi.getField('VM', vm.$ref, 'other_config')).clients
await xapi.barrier()

// An Async call is followed by its task's events.
const snapshot = await xapi.callAsync('VM.snapshot', vm.$ref, 'by the client')
seen.snapshot = (await xapi.getRecord('VM', snapshot)).is_a_snapshot

const collect = async stream => {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const bytesOf = async response => collect(response.body ?? response)

// export-vm
const task = await xapi.call('task.create', 'export', '')
const archive = await bytesOf(await xapi.getResource('/export/', { query: { ref: snapshot }, task }))
seen.archive = archive.length
seen.archive_begins = archive.subarray(0, 7).toString()

// import-vm
const put = async (path, data, query) => {
  const body = Readable.from([data])
  body.length = data.length
  const newTask = await xapi.call('task.create', path, '')
  return xapi.putResource(body, path, { query, task: newTask })
}
const imported = await put('/import/', archive, { sr_id: sr.$ref })
seen.imported = Array.isArray(imported) ? imported.length : String(imported)

// export-vdi, import-vdi
const disk = await xapi.getRecord('VDI', (await xapi.getRecord('VBD',
  (await xapi.getField('VM', snapshot, 'VBDs'))[0])).VDI)
const raw = await bytesOf(await xapi.getResource('/export_raw_vdi/', { query: { format: 'raw', vdi: disk.$ref ?? disk.uuid } }))
seen.raw = raw.length
const created = await xapi.call('VDI.create', {
  name_label: 'imported', name_description: '', SR: sr.$ref, virtual_size: raw.length, type: 'user', sharable: false,
  read_only: false, other_config: {}, xenstore_data: {}, sm_config: {}, tags: [],
})
await put('/import_raw_vdi/', raw, { format: 'raw', vdi: created })
const back = await bytesOf(await xapi.getResource('/export_raw_vdi/', { query: { format: 'raw', vdi: created } }))
const sum = data => createHash('sha256').update(data).digest('hex')
seen.sums_equal = sum(back) === sum(raw)

try {
  await xapi.call('VM.get_record', 'OpaqueRef:00000000-0000-0000-0000-000000000000')
} catch (error) {
  seen.error = [error.code, error.params]
}
await xapi.disconnect()
console.log(JSON.stringify(seen))
process.exit(0)
