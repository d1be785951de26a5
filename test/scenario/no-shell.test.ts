import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Appliance } from '#test/support/appliance.ts'
import { plainMail } from '#test/support/mails.ts'
import { installed } from '#test/support/run.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { freePorts, tempFolder } from '#test/support/temp.ts'
import { until } from '#test/support/wait.ts'

const withStrace = installed('strace') ? test : test.skip

withStrace('from start to stop the appliance runs no program but Node itself', async (t) => {
  using folder = tempFolder('no-shell')
  const trace = join(folder.path, 'trace')
  const [healthPort = 0] = await freePorts(1)
  await using postern = await Appliance.start({
    folder: folder.path,
    healthPort,
    under: ['strace', '-f', '-qq', '-e', 'trace=execve,execveat', '-s', '200', '-o', trace],
  })
  // The page is served too, and the hardware was looked at.
  await until('the health process answers', async () => {
    try {
      return (await fetch(`http://127.0.0.1:${healthPort}/`)).ok
    } catch {
      return false
    }
  })
  {
    using client = await SmtpClient.greeted(postern.smtpPort)
    t.is(
      (
        await client.send({
          from: '"$(touch PWNED)`touch PWNED`"@client.example',
          to: ['alice@example.test'],
          message: plainMail('$(touch PWNED)', '`touch PWNED`'),
        })
      ).code,
      250,
    )
    await client.quit()
  }
  await until('the mail has arrived', () => postern.mailboxFiles().length === 1)
  t.is((await postern.tool('status')).code, 0)
  t.is((await postern.tool('stop')).code, 0)
  await until('strace has ended', () => !postern.running)

  const started = readFileSync(trace, 'utf8')
    .split('\n')
    // A call that another process interrupted has a second line, "<... execve resumed>".
    .filter((line) => /execve(at)?\(/.test(line))
  t.true(started.length >= 4, started.join('\n'))
  t.deepEqual(
    started.filter((line) => !/execve\("[^"]*\/node"/.test(line) || /\/(ba|da)?sh"/.test(line)),
    [],
  )
  t.false(existsSync(join(folder.path, 'PWNED')))
})

withStrace('a program that does start a shell is seen by this test', async (t) => {
  using folder = tempFolder('shell-seen')
  const trace = join(folder.path, 'trace')
  const script = "require('node:child_process').execSync('true')"
  const child = spawn('strace', [
    '-f',
    '-qq',
    '-e',
    'trace=execve,execveat',
    '-o',
    trace,
    process.execPath,
    '-e',
    script,
  ])
  await once(child, 'exit')
  t.regex(readFileSync(trace, 'utf8'), /execve\("\/bin\/sh"/)
})
