// Node-API on one side, native/core on the other: this file only translates. Arguments are checked here, once;
// what is wrong with them is a TypeError or RangeError, never a crash.

#include <napi.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "core/database.h"
#include "core/encoder.h"
#include "core/report_json.h"
#include "core/scanner.h"

namespace {

using postern::Bytes;

/// A byte range inside of a Uint8Array, or nothing and a pending exception.
struct Range {
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  bool good = false;
};

/// Throws unless something is thrown already (by a getter, say): Node-API takes a second throw for fatal.
Range Fail(Napi::Env env, bool type, const char* message) {
  if (env.IsExceptionPending()) return {};
  if (type) {
    Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  } else {
    Napi::RangeError::New(env, message).ThrowAsJavaScriptException();
  }
  return {};
}

/// A property, or undefined and perhaps a pending exception: a getter may run.
Napi::Value ReadProperty(Napi::Env env, const Napi::Value& object, const char* name) {
  napi_value out = nullptr;
  if (napi_get_named_property(env, object, name, &out) != napi_ok) return env.Undefined();
  return {env, out};
}

Range ReadArray(Napi::Env env, const Napi::Value& value) {
  napi_typedarray_type type;
  std::size_t length = 0;
  void* data = nullptr;
  napi_value buffer;
  std::size_t offset = 0;
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok ||
      type != napi_uint8_array) {
    return Fail(env, true, "expected a Uint8Array");
  }
  bool detached = false;
  if (length == 0 && napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached) {
    return Fail(env, true, "the buffer is detached");
  }
  return {static_cast<std::uint8_t*>(data), length, true};
}

/// An offset into `size` octets; false and a pending exception if it is none.
bool ReadOffset(Napi::Env env, const Napi::Value& value, std::size_t size, std::size_t& out) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    Fail(env, true, "expected a number");
    return false;
  }
  if (!(number >= 0) || number > static_cast<double>(size) || number != static_cast<double>(static_cast<std::size_t>(number))) {
    Fail(env, false, "offset out of range");
    return false;
  }
  out = static_cast<std::size_t>(number);
  return true;
}

/// Arguments `first` to `first + 2`: array, start, end.
Range ReadInput(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Range array = ReadArray(env, info[0]);
  std::size_t start = 0;
  std::size_t end = 0;
  if (!array.good || !ReadOffset(env, info[1], array.size, start) || !ReadOffset(env, info[2], array.size, end)) return {};
  if (start > end) return Fail(env, false, "start is behind end");
  return {array.data + start, end - start, true};
}

/// An array and an offset into it with room for `needed` octets behind it.
Range ReadOutput(Napi::Env env, const Napi::Value& value, const Napi::Value& offset, std::size_t needed) {
  const Range array = ReadArray(env, value);
  std::size_t start = 0;
  if (!array.good || !ReadOffset(env, offset, array.size, start)) return {};
  if (array.size - start < needed) return Fail(env, false, "the output has too little room");
  return {array.data + start, array.size - start, true};
}

/// The output must not be what is read.
bool Overlap(const Range& a, const Range& b) {
  return a.size > 0 && b.size > 0 && a.data < b.data + b.size && b.data < a.data + a.size;
}

/// Runs `work`; what it throws (std::bad_alloc above all) becomes an exception of JavaScript's.
template <typename Work>
void Guarded(Napi::Env env, Work work) {
  try {
    work();
  } catch (const std::exception& error) {
    Napi::Error::New(env, error.what()).ThrowAsJavaScriptException();
  }
}

Napi::Number Number(Napi::Env env, std::uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

/// new SignatureSet([{name, kind, text}, …]); then load(bytes) or compile(plain).
class SignatureSet : public Napi::ObjectWrap<SignatureSet> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "SignatureSet",
                       {
                           InstanceMethod<&SignatureSet::CacheKey>("cacheKey"),
                           InstanceMethod<&SignatureSet::Load>("load"),
                           InstanceMethod<&SignatureSet::Compile>("compile"),
                           InstanceMethod<&SignatureSet::Serialize>("serialize"),
                           InstanceMethod<&SignatureSet::Info>("info"),
                           InstanceMethod<&SignatureSet::Close>("close"),
                       });
  }

  explicit SignatureSet(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SignatureSet>(info) {
    const Napi::Env env = info.Env();
    std::vector<postern::SignatureFile> files;
    if (!info[0].IsArray()) {
      Fail(env, true, "expected an array of sources");
      return;
    }
    // All properties first: a getter that runs between could take away octets that were looked up before it.
    std::vector<Source> sources;
    const std::uint32_t length = info[0].As<Napi::Array>().Length();
    for (std::uint32_t i = 0; i < length; ++i) {
      napi_value source = nullptr;
      if (napi_get_element(env, info[0], i, &source) != napi_ok) return;
      if (!ReadSource(env, {env, source}, sources)) return;
    }
    for (const Source& source : sources) {
      const Range text = ReadArray(env, source.text);
      if (!text.good) return;
      files.push_back({source.name, source.kind, postern::AsText({text.data, text.size})});
    }
    Guarded(env, [&] { database_ = std::make_shared<postern::SignatureDatabase>(files); });
    info.This().As<Napi::Object>().TypeTag(&kTag);
  }

  /// nullptr if the value is anything else, whatever its prototype says.
  static SignatureSet* From(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTag)) return nullptr;
    return Unwrap(value.As<Napi::Object>());
  }

  /// The database once it is ready, else nullptr.
  std::shared_ptr<const postern::SignatureDatabase> ready() const {
    return database_ != nullptr && database_->engine() != nullptr ? database_ : nullptr;
  }

 private:
  static constexpr napi_type_tag kTag = {0x2f5c8a1d90e34b77, 0x9d3be0c417f6a852};

  struct Source {
    std::string name;
    postern::SignatureFile::Kind kind;
    Napi::Value text;
  };

  static bool ReadSource(Napi::Env env, const Napi::Value& value, std::vector<Source>& sources) {
    if (!value.IsObject()) return Fail(env, true, "expected a source").good;
    const Napi::Value name = ReadProperty(env, value, "name");
    const Napi::Value kind = ReadProperty(env, value, "kind");
    const Napi::Value octets = ReadProperty(env, value, "text");
    if (env.IsExceptionPending()) return false;
    if (!name.IsString() || !kind.IsString()) return Fail(env, true, "expected name and kind of a source").good;
    const std::string word = kind.As<Napi::String>().Utf8Value();
    if (word != "ndb" && word != "hdb" && word != "hsb") return Fail(env, false, "unknown kind of source").good;
    sources.push_back({name.As<Napi::String>().Utf8Value(),
                       word == "ndb" ? postern::SignatureFile::Kind::kNdb : postern::SignatureFile::Kind::kHash, octets});
    return true;
  }

  /// The database before it is handed to a scanner, after which it must not change.
  postern::SignatureDatabase* Changeable(Napi::Env env) {
    if (database_ == nullptr) {
      Fail(env, true, "the signature set is closed");
      return nullptr;
    }
    if (database_->engine() != nullptr) {
      Fail(env, true, "the signature set is ready already");
      return nullptr;
    }
    return database_.get();
  }

  Napi::Value CacheKey(const Napi::CallbackInfo& info) {
    if (database_ == nullptr) return Fail(info.Env(), true, "the signature set is closed"), info.Env().Undefined();
    return Napi::String::New(info.Env(), postern::HexOf(database_->CacheKey()));
  }

  Napi::Value Load(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Range bytes = ReadArray(env, info[0]);
    postern::SignatureDatabase* database = bytes.good ? Changeable(env) : nullptr;
    if (database == nullptr) return env.Undefined();
    bool loaded = false;
    Guarded(env, [&] { loaded = database->Load({bytes.data, bytes.size}); });
    return Napi::Boolean::New(env, loaded);
  }

  void Compile(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsBoolean()) {
      Fail(env, true, "expected a boolean");
      return;
    }
    postern::SignatureDatabase* database = Changeable(env);
    if (database == nullptr) return;
    Guarded(env, [&] { database->Compile(info[0].As<Napi::Boolean>().Value()); });
  }

  Napi::Value Serialize(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (database_ == nullptr) return Fail(env, true, "the signature set is closed"), env.Undefined();
    std::string bytes;
    Guarded(env, [&] { bytes = database_->Serialize(); });
    Napi::Uint8Array out = Napi::Uint8Array::New(env, bytes.size());
    std::copy(bytes.begin(), bytes.end(), out.Data());
    return out;
  }

  Napi::Value Info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (ready() == nullptr) return Fail(env, true, "the signature set is not ready"), env.Undefined();
    Napi::Object out = Napi::Object::New(env);
    out.Set("signatures", Number(env, database_->count()));
    out.Set("engine", database_->hyperscan() ? "hyperscan" : "plain");
    out.Set("databaseBytes", Number(env, database_->engine()->bytes()));
    Napi::Array problems = Napi::Array::New(env, database_->problems().size());
    std::uint32_t i = 0;
    for (const postern::SignatureProblem& problem : database_->problems()) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("source", problem.source);
      object.Set("line", problem.line);
      object.Set("reason", problem.reason);
      problems.Set(i++, object);
    }
    out.Set("problems", problems);
    return out;
  }

  void Close(const Napi::CallbackInfo&) { database_.reset(); }

  std::shared_ptr<postern::SignatureDatabase> database_;
};

/// Numbers that TypeScript reads without a call: see src/match/scanner.ts for the same list.
enum StateIndex : std::size_t { kConsumed, kProduced, kEnded, kBareLf, kBareCr, kTotal, kStateLength };

/// new Scanner(signatureSet, {depthMax, partsMax, headerBytesMax, keepHeaders}, state: Float64Array over a SharedArrayBuffer).
class Scanner : public Napi::ObjectWrap<Scanner> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Scanner",
                       {
                           InstanceMethod<&Scanner::Begin>("begin"),
                           InstanceMethod<&Scanner::Write>("write"),
                           InstanceMethod<&Scanner::Finish>("finish"),
                           InstanceMethod<&Scanner::BeginRecheck>("beginRecheck"),
                           InstanceMethod<&Scanner::Recheck>("recheck"),
                           InstanceMethod<&Scanner::FinishRecheck>("finishRecheck"),
                           InstanceMethod<&Scanner::Close>("close"),
                       });
  }

  explicit Scanner(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Scanner>(info) {
    const Napi::Env env = info.Env();
    const SignatureSet* set = SignatureSet::From(info[0]);
    if (set == nullptr) {
      Fail(env, true, "expected a SignatureSet");
      return;
    }
    auto database = set->ready();
    if (database == nullptr) {
      Fail(env, true, "the signature set is closed or not ready");
      return;
    }
    postern::MimeLimits limits;
    if (!ReadLimits(env, info[1], limits) || !ReadState(env, info[2])) return;
    Guarded(env, [&] { scanner_ = std::make_unique<postern::Scanner>(std::move(database), limits); });
  }

 private:
  enum class Phase { kIdle, kScanning, kFinished, kRechecking };

  static bool ReadLimit(Napi::Env env, const Napi::Value& object, const char* name, std::uint32_t& out) {
    const Napi::Value value = ReadProperty(env, object, name);
    double number = 0;
    if (napi_get_value_double(env, value, &number) != napi_ok) return Fail(env, true, "expected a number for each limit").good;
    if (!(number >= 1) || number > 1e9) return Fail(env, false, "a limit is out of range").good;
    out = static_cast<std::uint32_t>(number);
    return true;
  }

  static bool ReadLimits(Napi::Env env, const Napi::Value& value, postern::MimeLimits& out) {
    if (!value.IsObject()) return Fail(env, true, "expected limits").good;
    std::uint32_t header = 0;
    if (!ReadLimit(env, value, "depthMax", out.depth_max) || !ReadLimit(env, value, "partsMax", out.parts_max) ||
        !ReadLimit(env, value, "headerBytesMax", header)) {
      return false;
    }
    out.header_bytes_max = header;
    const Napi::Value keep = ReadProperty(env, value, "keepHeaders");
    out.keep_headers = keep.IsBoolean() && keep.As<Napi::Boolean>().Value();
    // Each level costs stack where messages are nested in encodings.
    if (out.depth_max > kDepthMax) return Fail(env, false, "depthMax is too large").good;
    return true;
  }

  /// A SharedArrayBuffer cannot be detached, so its memory stays as long as the reference.
  bool ReadState(Napi::Env env, const Napi::Value& value) {
    napi_typedarray_type type;
    std::size_t length = 0;
    void* data = nullptr;
    napi_value buffer;
    std::size_t offset = 0;
    bool typed = false;
    bool detachable = true;
    if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
        napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok ||
        type != napi_float64_array || length < kStateLength ||
        napi_is_arraybuffer(env, buffer, &detachable) != napi_ok || detachable) {
      return Fail(env, true, "expected a Float64Array over a SharedArrayBuffer").good;
    }
    state_reference_ = Napi::Persistent(value.As<Napi::Object>());
    state_ = static_cast<double*>(data);
    return true;
  }

  bool Expect(Napi::Env env, Phase phase) {
    if (scanner_ == nullptr) return Fail(env, true, "the scanner is closed").good;
    if (phase_ != phase) return Fail(env, true, "called out of turn").good;
    return true;
  }

  void Begin(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (scanner_ == nullptr) {
      Fail(env, true, "the scanner is closed");
      return;
    }
    if (!info[0].IsString()) {
      Fail(env, true, "expected a framing");
      return;
    }
    const std::string framing = info[0].As<Napi::String>().Utf8Value();
    if (framing != "data" && framing != "bdat") {
      Fail(env, false, "unknown framing");
      return;
    }
    Guarded(env, [&] {
      scanner_->Begin(framing == "data" ? postern::Framer::Mode::kData : postern::Framer::Mode::kBdat);
      phase_ = Phase::kScanning;
      std::fill(state_, state_ + kStateLength, 0.0);
    });
  }

  void Write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!Expect(env, Phase::kScanning)) return;
    const Range in = ReadInput(info);
    if (!in.good) return;
    const Range out = ReadOutput(env, info[3], info[4], postern::Framer::OutputMax(in.size));
    if (!out.good) return;
    if (Overlap(in, out)) {
      Fail(env, false, "input and output overlap");
      return;
    }
    Guarded(env, [&] {
      const postern::Framer::Step step = scanner_->Write({in.data, in.size}, out.data);
      const postern::Framer& framer = scanner_->framer();
      state_[kConsumed] = static_cast<double>(step.consumed);
      state_[kProduced] = static_cast<double>(step.produced);
      state_[kEnded] = framer.ended() ? 1 : 0;
      state_[kBareLf] = framer.bare_lf() ? 1 : 0;
      state_[kBareCr] = framer.bare_cr() ? 1 : 0;
      state_[kTotal] = static_cast<double>(framer.bytes());
    });
  }

  Napi::Value Finish(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!Expect(env, Phase::kScanning)) return env.Undefined();
    Napi::Value out = env.Undefined();
    Guarded(env, [&] {
      out = Napi::String::New(env, postern::ToJson(scanner_->Finish()));
      phase_ = Phase::kFinished;
    });
    return out;
  }

  void BeginRecheck(const Napi::CallbackInfo& info) {
    if (!Expect(info.Env(), Phase::kFinished)) return;
    Guarded(info.Env(), [&] {
      scanner_->BeginRecheck();
      phase_ = Phase::kRechecking;
    });
  }

  void Recheck(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!Expect(env, Phase::kRechecking)) return;
    const Range stored = ReadArray(env, info[0]);
    if (!stored.good) return;
    Guarded(env, [&] { scanner_->Recheck({stored.data, stored.size}); });
  }

  Napi::Value FinishRecheck(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!Expect(env, Phase::kRechecking)) return env.Undefined();
    Napi::Value out = env.Undefined();
    Guarded(env, [&] {
      out = Napi::String::New(env, postern::ToJson(scanner_->FinishRecheck()));
      phase_ = Phase::kFinished;
    });
    return out;
  }

  void Close(const Napi::CallbackInfo&) { scanner_.reset(); }

  static constexpr std::uint32_t kDepthMax = 100;

  std::unique_ptr<postern::Scanner> scanner_;
  Napi::ObjectReference state_reference_;
  double* state_ = nullptr;
  Phase phase_ = Phase::kIdle;
};

/// new Encoder().
class Encoder : public Napi::ObjectWrap<Encoder> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Encoder",
                       {
                           InstanceMethod<&Encoder::Begin>("begin"),
                           InstanceMethod<&Encoder::Write>("write"),
                           InstanceMethod<&Encoder::Finish>("finish"),
                       });
  }

  explicit Encoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Encoder>(info) {}

 private:
  /// begin(bdat): true for chunks, anything else for DATA. No text, for that costs more than a message's first line.
  void Begin(const Napi::CallbackInfo& info) {
    const bool bdat = info[0].IsBoolean() && info[0].As<Napi::Boolean>().Value();
    encoder_.Begin(bdat ? postern::Encoder::Mode::kBdat : postern::Encoder::Mode::kData);
  }

  Napi::Value Write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Range in = ReadInput(info);
    if (!in.good) return env.Undefined();
    const Range out = ReadOutput(env, info[3], info[4], postern::Encoder::OutputMax(in.size));
    if (!out.good) return env.Undefined();
    if (Overlap(in, out)) return Fail(env, false, "input and output overlap"), env.Undefined();
    return Number(env, encoder_.Write({in.data, in.size}, out.data));
  }

  Napi::Value Finish(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Range out = ReadOutput(env, info[0], info[1], postern::Encoder::kFinishMax);
    if (!out.good) return env.Undefined();
    return Number(env, encoder_.Finish(out.data));
  }

  postern::Encoder encoder_;
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("SignatureSet", SignatureSet::Define(env));
  exports.Set("Scanner", Scanner::Define(env));
  exports.Set("Encoder", Encoder::Define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(postern, Init)
