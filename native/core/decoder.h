#pragma once

#include <memory>
#include <vector>

#include "bytes.h"

namespace postern {

enum class Encoding { kIdentity, kBase64, kQuotedPrintable, kUuencode };

/// Takes decoded octets.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void Data(Bytes bytes) = 0;
  /// uuencode only: a file begins, under this name as it stands.
  virtual void FileBegin(std::string_view) {}
  virtual void FileEnd() {}
};

/// Undoes a Content-Transfer-Encoding, any cut of the input giving the same output. What is malformed is decoded
/// as mail programs do that want to show something, and `dirty()` tells.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void Write(Bytes in, ByteSink& out) = 0;
  virtual void Finish(ByteSink& out) = 0;
  /// Octets were met that the encoding does not allow.
  bool dirty() const { return dirty_; }

  static std::unique_ptr<Decoder> Make(Encoding encoding);

 protected:
  bool dirty_ = false;
};

class IdentityDecoder final : public Decoder {
 public:
  void Write(Bytes in, ByteSink& out) override { out.Data(in); }
  void Finish(ByteSink&) override {}
};

/// RFC 2045 section 6.8. What is not of the alphabet is skipped; padding ends a quantum, and what follows it is
/// decoded as a new one (encoders that pad each line exist, and so do people who hide things behind padding).
class Base64Decoder final : public Decoder {
 public:
  void Write(Bytes in, ByteSink& out) override;
  void Finish(ByteSink& out) override;

 private:
  std::uint8_t* Careful(std::uint8_t c, std::uint8_t* out);
  std::uint8_t* FlushQuantum(std::uint8_t* out);

  std::uint32_t bits_ = 0;
  int sextets_ = 0;
  bool padded_ = false;
};

/// RFC 2045 section 6.7. White space before a line end is dropped, `=` before anything but two hexadecimal
/// digits or a line end stays as it is.
class QuotedPrintableDecoder final : public Decoder {
 public:
  void Write(Bytes in, ByteSink& out) override;
  void Finish(ByteSink& out) override;

 private:
  enum class State { kText, kEquals, kEqualsHex, kEqualsBlank, kEqualsCr };

  void Byte(std::uint8_t c);
  void Text(std::uint8_t c);
  void ReleaseBlanks();

  State state_ = State::kText;
  std::uint8_t hex_ = 0;
  /// Blanks that may turn out to end the line; more than kBlanksMax in a row are text.
  std::string blanks_;
  std::vector<std::uint8_t> out_;
};

/// uuencode as in POSIX: `begin 644 name`, lines that start with their length, `end`. Also finds such files
/// inside plain text, as the old mail programs that show them do.
class UuDecoder final : public Decoder {
 public:
  void Write(Bytes in, ByteSink& out) override;
  void Finish(ByteSink& out) override;
  /// Whether a file is open.
  bool inside() const { return inside_; }

 private:
  /// A uuencoded line has 62 characters, a begin line a file name.
  static constexpr std::size_t kLineMax = 1024;

  void Line(std::string_view line, ByteSink& out);
  void DataLine(std::string_view line, ByteSink& out);
  void Close(ByteSink& out);

  std::string line_;
  bool skip_line_ = false;
  bool at_start_ = true;
  bool inside_ = false;
  std::vector<std::uint8_t> out_;
};

/// The name of a `begin 644 name` line, or empty.
std::string_view UuBeginName(std::string_view line);

}  // namespace postern
