// A disk with slow flushes, for one machine, as a preloaded library: after the real fsync or fdatasync the
// caller waits as long as a disk whose cache flush takes SLOW_FLUSH_US would make it wait.
//
// The disk does one flush at a time. Who arrives while one runs shares the next one with all others that
// arrive meanwhile, as callers share a journal commit. So the whole disk is one number, the instant at which
// the last flush that was begun or promised ends; it lies in the file SLOW_FLUSH_STATE, mapped by every
// process under test, and is moved by compare-and-swap: no lock that a killed process could leave behind.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

struct State {
  std::atomic<uint64_t> end_ns;   // when the last flush that was begun or promised ends
  std::atomic<uint64_t> calls;    // fsync and fdatasync calls
  std::atomic<uint64_t> flushes;  // flushes of the disk that they needed
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "the state is shared by processes");

using Sync = int (*)(int);

State* state = nullptr;
uint64_t flush_ns = 0;
Sync real_fsync = nullptr;
Sync real_fdatasync = nullptr;

uint64_t NowNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(ts.tv_nsec);
}

__attribute__((constructor)) void Start() {
  real_fsync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, "fsync"));
  real_fdatasync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, "fdatasync"));
  const char* const path = std::getenv("SLOW_FLUSH_STATE");
  const char* const us = std::getenv("SLOW_FLUSH_US");
  if (path == nullptr || us == nullptr) return;
  flush_ns = std::strtoull(us, nullptr, 10) * 1000U;
  // Opened here, where a Postfix daemon is still root and outside of any chroot.
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* const map = mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map != MAP_FAILED) state = static_cast<State*>(map);
}

/// Joins the flush that a caller who arrives now is served by; returns the instant of its end.
uint64_t Join() {
  const uint64_t now = NowNs();
  uint64_t last = state->end_ns.load();
  for (;;) {
    uint64_t mine = 0;
    if (now >= last) {
      mine = now + flush_ns;  // the disk is idle: a flush begins now
    } else if (now >= last - flush_ns) {
      mine = last + flush_ns;  // one runs, and the next is not promised to anyone yet
    } else {
      return last;  // one runs, and others wait for the next already: share it
    }
    if (state->end_ns.compare_exchange_weak(last, mine)) {
      state->flushes.fetch_add(1);
      return mine;
    }
  }
}

void WaitForDisk() {
  if (state == nullptr) return;
  state->calls.fetch_add(1);
  const uint64_t end = Join();
  timespec until{};
  until.tv_sec = static_cast<time_t>(end / 1'000'000'000U);
  until.tv_nsec = static_cast<long>(end % 1'000'000'000U);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

int Flush(Sync real, int fd) {
  const int result = real(fd);
  const int saved = errno;
  WaitForDisk();
  errno = saved;
  return result;
}

}  // namespace

extern "C" int fsync(int fd) { return Flush(real_fsync, fd); }
extern "C" int fdatasync(int fd) { return Flush(real_fdatasync, fd); }
