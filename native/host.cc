// What an operating system offers a service and Node does not: datagrams to a Unix socket (sd_notify(3)), a look at a
// descriptor that was inherited (sd_is_socket(3)), and keeping one open over exec. It knows nothing of mail, and is an
// addon of its own, so that master, which needs it, does not load Hyperscan.

#include <napi.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace {

/// A datagram waits at most so long for room in the receiver's buffer: a service manager that hangs must not hang us.
constexpr suseconds_t kSendMicroseconds = 500'000;

/// Throws an Error with the `code` of a system error as text, as Node's own have it, and its number as `errno`.
void ThrowSystem(Napi::Env env, const char* call, int error) {
  const char* name = strerrorname_np(error);
  const std::string code = name == nullptr ? std::to_string(error) : name;
  Napi::Error made = Napi::Error::New(env, code + ": " + std::strerror(error) + ", " + call);
  made.Set("code", code);
  made.Set("errno", static_cast<double>(-error));
  made.ThrowAsJavaScriptException();
}

void ThrowType(Napi::Env env, const char* message) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

/// Argument 0 as a descriptor; -1 and a pending exception if it is none.
int Descriptor(const Napi::CallbackInfo& info) {
  double number = -1;
  if (napi_get_value_double(info.Env(), info[0], &number) != napi_ok || !(number >= 0) || number > INT32_MAX ||
      number != static_cast<double>(static_cast<int>(number))) {
    ThrowType(info.Env(), "expected a descriptor");
    return -1;
  }
  return static_cast<int>(number);
}

/// sendDatagram(path, text): one datagram to a Unix socket; a path that begins with @ is of the abstract name space.
void SendDatagram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsString()) return ThrowType(env, "expected a path and a text");
  const std::string path = info[0].As<Napi::String>();
  const std::string text = info[1].As<Napi::String>();
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  // A name in the file system ends with a NUL; an abstract one begins with it, and its length ends it.
  const bool abstract = !path.empty() && path.front() == '@';
  if (path.size() < 2 || path.size() + (abstract ? 0 : 1) > sizeof(to.sun_path) || path.find('\0') != std::string::npos) {
    return ThrowSystem(env, "sendDatagram", EINVAL);
  }
  std::memcpy(to.sun_path, path.data(), path.size());
  if (abstract) to.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));

  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return ThrowSystem(env, "socket", errno);
  const timeval patience{.tv_sec = 0, .tv_usec = kSendMicroseconds};
  int error = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) error = errno;
  if (error == 0) {
    ssize_t sent = -1;
    do {
      sent = sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), length);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) error = errno;
  }
  close(fd);
  if (error != 0) ThrowSystem(env, "sendto", error);
}

/// An integer option of a socket; `absent` where it has none.
int Option(int fd, int level, int name, int absent) {
  int value = absent;
  socklen_t size = sizeof(value);
  return getsockopt(fd, level, name, &value, &size) == 0 ? value : absent;
}

/// describeSocket(fd): {family, type, listening, address, port, v6Only}; throws EBADF, ENOTSOCK.
Napi::Value DescribeSocket(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Descriptor(info);
  if (fd < 0) return env.Undefined();
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    ThrowSystem(env, "getsockname", errno);
    return env.Undefined();
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* family = "other";
  int port = 0;
  bool v6_only = false;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof(v4));
    family = "ipv4";
    port = ntohs(v4.sin_port);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof(v6));
    family = "ipv6";
    port = ntohs(v6.sin6_port);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    v6_only = Option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0;
  } else if (storage.ss_family == AF_UNIX) {
    family = "unix";
  }
  const int type = Option(fd, SOL_SOCKET, SO_TYPE, -1);
  Napi::Object out = Napi::Object::New(env);
  out.Set("family", family);
  out.Set("type", type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "datagram" : "other");
  out.Set("listening", Option(fd, SOL_SOCKET, SO_ACCEPTCONN, 0) != 0);
  out.Set("address", std::string(text.data()));
  out.Set("port", static_cast<double>(port));
  out.Set("v6Only", v6_only);
  return out;
}

/// keepOverExec(fd): Node closes what it was started with when it starts another program; not this one.
void KeepOverExec(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = Descriptor(info);
  if (fd < 0) return;
  const int flags = fcntl(fd, F_GETFD);
  if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) != 0) ThrowSystem(env, "fcntl", errno);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("sendDatagram", Napi::Function::New<SendDatagram>(env, "sendDatagram"));
  exports.Set("describeSocket", Napi::Function::New<DescribeSocket>(env, "describeSocket"));
  exports.Set("keepOverExec", Napi::Function::New<KeepOverExec>(env, "keepOverExec"));
  return exports;
}

}  // namespace

NODE_API_MODULE(postern_host, Init)
