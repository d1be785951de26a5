import test from 'ava'
import { memoryLog } from '#src/base/log.ts'
import { MaildirStore } from '#src/mail/maildir.ts'
import { MailboxTransfer } from '#src/smtp/mailbox-transfer.ts'
import { tempFolder } from '#test/support/temp.ts'
import type { MaildirFile } from '#src/mail/maildir.ts'

/** A store whose disk has no room for some mailboxes. */
class FullStore extends MaildirStore {
  override create(path: string): Promise<MaildirFile> {
    if (path.endsWith('full')) return Promise.reject(systemError('ENOSPC'))
    if (path.endsWith('quota')) return Promise.reject(systemError('EDQUOT'))
    if (path.endsWith('broken')) return Promise.reject(systemError('EIO'))
    return super.create(path)
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: write`), { code })
}

test('a full disk, a quota and a broken disk each fail for their recipient alone', async (t) => {
  using folder = tempFolder('transfer')
  const recipients = ['a', 'full', 'quota', 'broken', 'b'].map((name) => ({
    address: `${name}@x.test`,
    path: `x.test/${name}`,
  }))
  const transfer = new MailboxTransfer(new FullStore(folder.path), memoryLog(), {
    sender: 's@x.test',
    recipients,
  })
  const data = Buffer.from('text\r\n.\r\n')
  t.is(transfer.read(data, 0, data.length), data.length)
  t.true(transfer.ended)
  t.deepEqual(await transfer.commit(), ['stored', 'full', 'full', 'failed', 'stored'])
})
