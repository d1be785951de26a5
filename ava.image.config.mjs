// The tests that start virtual machines: `make test-image`. One at a time, since each has two processors in software.
export default {
  files: ['test/image/**/*.test.ts'],
  extensions: ['ts'],
  concurrency: 1,
  serial: true,
  timeout: '30m',
}
