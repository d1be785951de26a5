/** Mails that mean something to the scanner. */

/**
 * The anti-virus test file of EICAR, put together at run time: spelt out, this source file would itself be
 * taken away by a scanner on the developer's machine.
 */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE', '!$H+H*'].join(
  '',
)

/** A plain text mail; `body` without line ends or with CRLF. */
export function plainMail(subject: string, body: string): Buffer {
  return Buffer.from(
    [
      'From: sender@client.example',
      'To: alice@example.test',
      `Subject: ${subject}`,
      'Date: Sun, 22 Nov 2026 10:00:00 +0000',
      `Message-ID: <${encodeURIComponent(subject)}@client.example>`,
      '',
      body,
      '',
    ].join('\r\n'),
    'latin1',
  )
}

/** A mail with one attachment, base64 encoded. */
export function mailWithAttachment(subject: string, name: string, content: Uint8Array): Buffer {
  const base64 = Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n')
  return Buffer.from(
    [
      'From: sender@client.example',
      'To: alice@example.test',
      `Subject: ${subject}`,
      'Date: Sun, 22 Nov 2026 10:00:00 +0000',
      `Message-ID: <${encodeURIComponent(subject)}@client.example>`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="cut here"',
      '',
      '--cut here',
      'Content-Type: text/plain',
      '',
      'See the attachment.',
      '--cut here',
      `Content-Type: application/octet-stream; name="${name}"`,
      'Content-Transfer-Encoding: base64',
      `Content-Disposition: attachment; filename="${name}"`,
      '',
      base64,
      '--cut here--',
      '',
    ].join('\r\n'),
    'latin1',
  )
}
