// Regular expressions as operators write them in Postfix's tables (pcre_table(5), regexp_table(5)): PCRE2, with bounds on
// what one match may cost. An addon of its own, so that only a process with such a table loads the library.

#include <napi.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

/// What one match may cost: a pattern that backtracks without end would hold up all sessions of the process. A real one
/// needs some hundred steps for a header.
constexpr std::uint32_t kMatchSteps = 200'000;
constexpr std::uint32_t kDepth = 10'000;
constexpr std::uint32_t kHeapKibibytes = 8192;
/// Groups that are remembered, the whole match among them: Postfix knows $1 to $99.
constexpr std::uint32_t kGroups = 100;
/// Octets of a pattern. A line of a table has no more.
constexpr std::size_t kPatternMax = 65'536;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* what) const {
    Free(what);
  }
};
using Code = std::unique_ptr<pcre2_code, Freer<pcre2_code_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using Converted = std::unique_ptr<PCRE2_UCHAR, Freer<pcre2_converted_pattern_free>>;

struct Octets {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  bool good = false;
};

Octets ReadOctets(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  const Napi::Uint8Array array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength(), true};
}

std::string MessageOf(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  if (pcre2_get_error_message(code, text.data(), text.size()) < 0) return "error " + std::to_string(code);
  return reinterpret_cast<const char*>(text.data());
}

/// The letters of pcre_table(5), those that are on. X has no meaning in PCRE2.
std::uint32_t OptionsOf(std::string_view letters) {
  std::uint32_t options = 0;
  for (const char letter : letters) {
    switch (letter) {
      case 'i': options |= PCRE2_CASELESS; break;
      case 'm': options |= PCRE2_MULTILINE; break;
      case 's': options |= PCRE2_DOTALL; break;
      case 'x': options |= PCRE2_EXTENDED; break;
      case 'A': options |= PCRE2_ANCHORED; break;
      case 'E': options |= PCRE2_DOLLAR_ENDONLY; break;
      case 'U': options |= PCRE2_UNGREEDY; break;
      default: break;
    }
  }
  return options;
}

/// new Pattern(octets, letters, syntax): syntax 'pcre', or 'extended' or 'basic' of POSIX. Look at problem() first.
class Pattern : public Napi::ObjectWrap<Pattern> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Pattern", {InstanceMethod<&Pattern::Problem>("problem"), InstanceMethod<&Pattern::Match>("match")});
  }

  explicit Pattern(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Pattern>(info) {
    const Napi::Env env = info.Env();
    const Octets source = ReadOctets(info[0]);
    if (!source.good || !info[1].IsString() || !info[2].IsString()) {
      Napi::TypeError::New(env, "expected octets, letters and a syntax").ThrowAsJavaScriptException();
      return;
    }
    const std::string letters = info[1].As<Napi::String>();
    const std::string syntax = info[2].As<Napi::String>();
    if (source.size > kPatternMax) {
      problem_ = "the pattern is longer than 65536 octets";
      return;
    }
    if (syntax == "pcre") {
      Compile(source.data, source.size, OptionsOf(letters));
    } else {
      CompilePosix(source, OptionsOf(letters), syntax == "extended");
    }
  }

 private:
  void CompilePosix(Octets source, std::uint32_t options, bool extended) {
    PCRE2_UCHAR* made = nullptr;
    PCRE2_SIZE length = 0;
    const std::uint32_t kind = extended ? PCRE2_CONVERT_POSIX_EXTENDED : PCRE2_CONVERT_POSIX_BASIC;
    const int result = pcre2_pattern_convert(source.data, source.size, kind, &made, &length, nullptr);
    const Converted converted(made);
    if (result != 0) {
      problem_ = MessageOf(result) + " at octet " + std::to_string(length);
      return;
    }
    // The conversion makes NUL the end of a line; here it is LF, as regcomp(3) has it.
    static constexpr std::string_view kNulLines = "(*NUL)";
    const std::string_view text(reinterpret_cast<const char*>(converted.get()), length);
    const std::size_t skip = text.starts_with(kNulLines) ? kNulLines.size() : 0;
    Compile(converted.get() + skip, length - skip, options);
  }

  void Compile(const PCRE2_UCHAR* pattern, std::size_t length, std::uint32_t options) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code_.reset(pcre2_compile(pattern, length, options | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr));
    if (code_ == nullptr) {
      problem_ = MessageOf(error) + " at octet " + std::to_string(at);
      return;
    }
    context_.reset(pcre2_match_context_create(nullptr));
    data_.reset(pcre2_match_data_create(kGroups, nullptr));
    if (context_ == nullptr || data_ == nullptr) {
      code_.reset();
      problem_ = "out of memory";
      return;
    }
    pcre2_set_match_limit(context_.get(), kMatchSteps);
    pcre2_set_depth_limit(context_.get(), kDepth);
    pcre2_set_heap_limit(context_.get(), kHeapKibibytes);
  }

  /// '' if the pattern can be used.
  Napi::Value Problem(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), problem_); }

  /// match(octets): start and end of the whole match and of each group, -1 for one that took no part; null for no match;
  /// a text where the match was given up.
  Napi::Value Match(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Octets subject = ReadOctets(info[0]);
    if (!subject.good) {
      Napi::TypeError::New(env, "expected octets").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    if (code_ == nullptr) return Napi::String::New(env, problem_);
    static constexpr std::uint8_t kNone = 0;
    const std::uint8_t* from = subject.size == 0 ? &kNone : subject.data;
    const int count = pcre2_match(code_.get(), from, subject.size, 0, 0, data_.get(), context_.get());
    if (count == PCRE2_ERROR_NOMATCH) return env.Null();
    if (count < 0) return Napi::String::New(env, MessageOf(count));
    const std::uint32_t groups = count == 0 ? kGroups : static_cast<std::uint32_t>(count);
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data_.get());
    Napi::Array out = Napi::Array::New(env, groups * 2);
    for (std::uint32_t i = 0; i < groups * 2; ++i) {
      out.Set(i, offsets[i] == PCRE2_UNSET ? -1.0 : static_cast<double>(offsets[i]));
    }
    return out;
  }

  std::string problem_;
  Code code_;
  MatchContext context_;
  MatchData data_;
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Pattern", Pattern::Define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(postern_pattern, Init)
