// The mailbox server of the bench: a small LMTP server (RFC 2033) that takes every message, keeps none, and
// knows afterwards how many came, how many of them were different, and when the last one was complete.
//
// One thread and epoll, so that it costs next to nothing beside the server that is measured. Commands come
// on standard input, one a line; each answer is one JSON line on standard output:
//
//   expect N   forget everything, then report by itself as soon as N messages are in
//   report     say what is in now
//
// Times are nanoseconds of CLOCK_MONOTONIC, which is also process.hrtime.bigint() in Node.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace {

constexpr size_t kReadBytes = 256 * 1024;
// RFC 5321 section 4.5.3.1.4 asks for 512; more than this without an end is no LMTP client.
constexpr size_t kCommandMax = 8192;
// Larger than any message of the bench; a client that never ends its DATA is cut off here.
constexpr size_t kMessageMax = 256 * 1024 * 1024;

uint64_t NowNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(ts.tv_nsec);
}

/// FNV-1a over eight octets at a time: tells bodies that differ, at several GB a second.
uint64_t HashOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325U ^ bytes.size();
  while (bytes.size() >= sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    hash = (hash ^ word) * 0x100000001b3U;
    hash ^= hash >> 29U;
    bytes.remove_prefix(sizeof word);
  }
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

/// The queue id that the server under test wrote into its own Received line, the topmost one
/// (RFC 5321 section 4.4: `id <string>`); empty where there is none.
std::string_view QueueId(std::string_view header) {
  constexpr std::string_view kName = "Received:";
  size_t at = header.starts_with(kName) ? 0 : header.find("\r\nReceived:");
  if (at == std::string_view::npos) return {};
  size_t end = at + kName.size() + 2;
  for (;;) {  // the end of the folded field
    end = header.find("\r\n", end);
    if (end == std::string_view::npos || end + 2 >= header.size()) break;
    const char next = header[end + 2];
    if (next != ' ' && next != '\t') break;
    end += 2;
  }
  const std::string_view field = header.substr(at, end == std::string_view::npos ? end : end - at);
  for (const std::string_view word : {" id ", "\tid "}) {
    const size_t found = field.find(word);
    if (found == std::string_view::npos) continue;
    const std::string_view rest = field.substr(found + word.size());
    return rest.substr(0, rest.find_first_of(" ;\t\r\n"));
  }
  return {};
}

/// What came in since the last `expect`.
struct Tally {
  uint64_t expected = 0;
  uint64_t messages = 0;
  uint64_t deliveries = 0;
  uint64_t bytes = 0;
  uint64_t connections = 0;
  uint64_t without_id = 0;
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;
  uint64_t body_hash = 0;
  std::unordered_set<std::string> ids;
  std::unordered_set<uint64_t> bodies;

  void Add(std::string_view message, size_t recipients) {
    const size_t gap = message.find("\r\n\r\n");
    const std::string_view header = message.substr(0, gap == std::string_view::npos ? gap : gap + 2);
    const std::string_view body = gap == std::string_view::npos ? std::string_view{} : message.substr(gap + 4);
    const std::string_view id = QueueId(header);
    if (id.empty()) {
      ++without_id;
    } else {
      ids.emplace(id);
    }
    body_hash = HashOf(body);
    bodies.insert(body_hash);
    bytes += message.size();
    deliveries += recipients;
    last_ns = NowNs();
    if (messages++ == 0) first_ns = last_ns;
    if (messages == expected) Report();
  }

  void Report() const {
    std::printf(
        "{\"messages\":%llu,\"different\":%zu,\"withoutId\":%llu,\"deliveries\":%llu,\"bytes\":%llu,"
        "\"bodies\":%zu,\"bodyHash\":\"%016llx\",\"connections\":%llu,\"firstNs\":\"%llu\",\"lastNs\":\"%llu\"}\n",
        static_cast<unsigned long long>(messages), ids.size(), static_cast<unsigned long long>(without_id),
        static_cast<unsigned long long>(deliveries), static_cast<unsigned long long>(bytes), bodies.size(),
        static_cast<unsigned long long>(body_hash), static_cast<unsigned long long>(connections),
        static_cast<unsigned long long>(first_ns), static_cast<unsigned long long>(last_ns));
    std::fflush(stdout);
  }
};

/// One LMTP session. `in_` holds what has come and is not yet dealt with; in DATA, the message so far.
class Session {
 public:
  explicit Session(int fd) : fd_(fd) { Say("220 sink.test LMTP\r\n"); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { close(fd_); }

  /// Reads what is there and answers it. False when the session is over.
  bool OnReadable(Tally& tally) {
    static char block[kReadBytes];
    for (;;) {
      const ssize_t got = read(fd_, block, sizeof block);
      if (got == 0) return false;
      if (got < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return false;
        break;
      }
      in_.append(block, static_cast<size_t>(got));
      if (!Consume(tally)) return false;
      if (static_cast<size_t>(got) < kReadBytes) break;
    }
    return Flush();
  }

  bool OnWritable() { return Flush(); }
  bool WantsWrite() const { return !out_.empty(); }
  bool Closing() const { return closing_ && out_.empty(); }

 private:
  void Say(std::string_view text) { out_ += text; }

  bool Consume(Tally& tally) {
    size_t at = 0;
    while (!closing_) {
      if (in_data_) {
        const size_t end = EndOfData(at);
        if (end == std::string::npos) break;
        tally.Add(std::string_view(in_).substr(at, end - at), recipients_);
        // RFC 2033 section 4.2: one reply for each recipient that was taken.
        for (size_t i = 0; i < recipients_; ++i) Say("250 2.0.0 taken\r\n");
        at = end + 3;
        in_data_ = false;
        recipients_ = 0;
        continue;
      }
      const size_t end = in_.find('\n', at);
      if (end == std::string::npos) {
        if (in_.size() - at > kCommandMax) return false;
        break;
      }
      Command(std::string_view(in_).substr(at, end - at));
      at = end + 1;
      if (in_data_) searched_ = at;
    }
    in_.erase(0, at);
    searched_ -= searched_ < at ? searched_ : at;
    return in_.size() <= kMessageMax;
  }

  /// Where the line with the lone dot begins (the message ends there, CRLF included), or npos if it has not
  /// come. A search goes on where the last one stopped.
  size_t EndOfData(size_t start) {
    const char* const begin = in_.data();
    const char* const end = begin + in_.size();
    const char* p = begin + (searched_ > start ? searched_ : start);
    while ((p = static_cast<const char*>(std::memchr(p, '.', static_cast<size_t>(end - p)))) != nullptr) {
      if (end - p < 3) {
        searched_ = static_cast<size_t>(p - begin);
        return std::string::npos;
      }
      const auto offset = static_cast<size_t>(p - begin);
      const bool at_line_start = offset == start || (offset >= start + 2 && p[-1] == '\n' && p[-2] == '\r');
      if (at_line_start && p[1] == '\r' && p[2] == '\n') return offset;
      ++p;
    }
    searched_ = in_.size();
    return std::string::npos;
  }

  void Command(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto is = [line](const char* verb) { return strncasecmp(line.data(), verb, 4) == 0; };
    if (line.size() < 4) return Say("500 5.5.2 what?\r\n");
    if (is("LHLO")) {
      Say("250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE 268435456\r\n"
          "250 ENHANCEDSTATUSCODES\r\n");
    } else if (is("MAIL")) {
      recipients_ = 0;
      Say("250 2.1.0 ok\r\n");
    } else if (is("RCPT")) {
      ++recipients_;
      Say("250 2.1.5 ok\r\n");
    } else if (is("DATA")) {
      if (recipients_ == 0) return Say("503 5.5.1 no recipients\r\n");
      in_data_ = true;
      Say("354 go on\r\n");
    } else if (is("RSET")) {
      recipients_ = 0;
      Say("250 2.0.0 ok\r\n");
    } else if (is("NOOP")) {
      Say("250 2.0.0 ok\r\n");
    } else if (is("QUIT")) {
      closing_ = true;
      Say("221 2.0.0 bye\r\n");
    } else {
      Say("502 5.5.1 not here\r\n");
    }
  }

  bool Flush() {
    while (!out_.empty()) {
      const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      out_.erase(0, static_cast<size_t>(sent));
    }
    return true;
  }

  const int fd_;
  std::string in_;
  std::string out_;
  size_t searched_ = 0;
  size_t recipients_ = 0;
  bool in_data_ = false;
  bool closing_ = false;
};

int Listen(uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, length) != 0 || listen(fd, 1024) != 0 || getsockname(fd, generic, &length) != 0) {
    std::perror("sink: listen");
    std::exit(1);
  }
  port = ntohs(address.sin_port);
  return fd;
}

/// Reads commands of the bench. False at end of file: the bench is gone, and so are we.
bool Control(std::string& pending, Tally& tally) {
  char block[4096];
  const ssize_t got = read(STDIN_FILENO, block, sizeof block);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
  pending.append(block, static_cast<size_t>(got));
  for (size_t end = 0; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
    const std::string line = pending.substr(0, end);
    if (line == "report") {
      tally.Report();
    } else if (line.starts_with("expect ")) {
      tally = Tally{};
      tally.expected = std::strtoull(line.c_str() + 7, nullptr, 10);
    }
  }
  return true;
}

}  // namespace

int main() {
  uint16_t port = 0;
  const int listener = Listen(port);
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  const auto watch = [poll](int op, int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return epoll_ctl(poll, op, fd, &event);
  };
  watch(EPOLL_CTL_ADD, listener, EPOLLIN);
  watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
  std::printf("{\"port\":%u}\n", port);
  std::fflush(stdout);

  Tally tally;
  std::string pending;
  std::unordered_map<int, std::unique_ptr<Session>> sessions;
  for (;;) {
    epoll_event events[256];
    const int count = epoll_wait(poll, events, 256, -1);
    if (count < 0 && errno != EINTR) return 1;
    // What the bench says comes first: it was said before the client was started.
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == STDIN_FILENO && !Control(pending, tally)) return 0;
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) continue;
      if (fd == listener) {
        const int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) continue;
        const int yes = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        ++tally.connections;
        const auto [entry, fresh] = sessions.emplace(client, std::make_unique<Session>(client));
        watch(EPOLL_CTL_ADD, client, EPOLLIN);
        if (fresh && !entry->second->OnWritable()) sessions.erase(entry);
        continue;
      }
      const auto entry = sessions.find(fd);
      if (entry == sessions.end()) continue;
      Session& session = *entry->second;
      const bool alive = (events[i].events & EPOLLIN) != 0 ? session.OnReadable(tally) : session.OnWritable();
      if (!alive || session.Closing() || (events[i].events & (EPOLLERR | EPOLLHUP)) != 0) {
        sessions.erase(entry);
        continue;
      }
      watch(EPOLL_CTL_MOD, fd, session.WantsWrite() ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
  }
}
