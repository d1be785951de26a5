#pragma once

#include <memory>
#include <vector>

#include "bytes.h"
#include "decoder.h"
#include "framer.h"
#include "header.h"

namespace postern {

struct MimeLimits {
  std::uint32_t depth_max = 20;
  std::uint32_t parts_max = 1000;
  std::size_t header_bytes_max = 102400;
  /// Whether the headers of parts are told as they stand (PartHeader).
  bool keep_headers = false;
};

struct PartInfo {
  std::string path;
  std::string type;
  std::vector<std::string> names;
  /// Whether the part's octets are other than those of the message that it stands in.
  bool encoded = false;
  /// Whether it came as lines of text: what their ends were in the file that it was is not known.
  bool lines = false;
};

/// Takes what the parser finds, in the order of the message. Parts may be open at the same time: a message part
/// and the parts inside of it.
class PartSink {
 public:
  using Handle = std::size_t;
  virtual ~PartSink() = default;
  virtual Handle PartBegin(PartInfo info) = 0;
  virtual void PartData(Handle part, Bytes decoded) = 0;
  virtual void PartName(Handle part, std::string name) = 0;
  virtual void PartEnd(Handle part) = 0;
  /// A field of the outermost header; the name in lower case, the value with its folds.
  virtual void HeaderField(std::string_view name, std::string_view value) = 0;
  /// Octets of the outermost header, its empty line included.
  virtual void HeaderEnd(std::uint64_t bytes) = 0;
  /// The header of a part, or of a message inside of the message, as it stands: lines with CRLF.
  virtual void PartHeader(bool message, std::string_view text) = 0;
  virtual void Defect(std::string_view what) = 0;
  virtual void Limit(std::string_view what) = 0;
};

/// The number of a part behind that of the part around it.
std::string JoinPath(const std::string& path, const std::string& child);

/// What the parsers of one reading of a message share.
struct MimeContext {
  PartSink& sink;
  CharsetConverter& charsets;
  MimeLimits limits;
  std::uint32_t parts = 0;
  /// Where parts are counted, if not here.
  MimeContext* counted = nullptr;

  /// Whether one part more may be opened; if not, the limit is told.
  bool TakePart();
  /// A second reading gets a share of the parts that are left, for good: so what it opens does not depend on how
  /// the two readings take turns.
  MimeContext Share();
  /// For what is only taken for a message: its parts count with the others, and its headers are not told, since whoever
  /// takes it for text must not find them refused (header_checks(5) is about what is declared a message).
  MimeContext Unannounced();
};

class PartWriter;
class UuFiles;

/// Finds the parts of a message (RFC 2045, 2046) in one pass over its normalised octets, however they are cut.
///
/// Malformed structure never ends the look: where a boundary is missing or wrong, lines that start with "--" and
/// are followed by something like a header field begin a part (`guessed-part`). Where programs differ on what a
/// line is (a boundary with something behind it, a line that is none of a header inside of one), the second
/// reading is followed beside the first by a parser of its own; its parts have a letter in their path (h: the header went
/// on, b: it was a boundary, m: it was a message, though its type or encoding says other).
class MimeParser {
 public:
  /// Parameters of a multipart that are used as its boundary; guessed ones count.
  static constexpr std::size_t kBoundariesMax = 8;

  /// Other readings of the same octets that are followed beside the main one at a time.
  static constexpr std::size_t kReadingsMax = 4;

  /// `depth` and `path` say where the message stands inside of another; 0 and "" for the outermost.
  MimeParser(MimeContext& context, std::uint32_t depth, std::string path);
  ~MimeParser();
  MimeParser(const MimeParser&) = delete;
  MimeParser& operator=(const MimeParser&) = delete;

  void Write(Bytes block);
  void Finish();

 private:
  enum class State { kHeader, kBody };

  /// A multipart, or a message inside of the message; the innermost is last.
  struct Entity {
    bool multipart = false;
    bool digest = false;
    bool declared_seen = false;
    bool closed = false;
    std::size_t declared = 0;  // the first so many boundaries were declared, the rest guessed
    std::vector<std::string> boundaries;
    std::string path;
    std::uint32_t children = 0;
    std::unique_ptr<PartWriter> box;  // a message's own octets
  };

  struct Match {
    std::size_t level;
    bool declared;
    bool close;
  };

  /// How a second reading begins.
  struct Reading {
    std::string path;
    bool message = false;  // with a message's header, or that of a part
    bool probe = false;    // given up if its first line is none of a header
  };

  void Consume(const std::uint8_t* p, const std::uint8_t* end);
  void ConsumeAll(const std::uint8_t* p, const std::uint8_t* end);
  void FeedReadings(Bytes stretch);
  MimeParser* BeginReading(Reading reading);
  void EndReadings();
  const std::uint8_t* ConsumeHeader(const std::uint8_t* p, const std::uint8_t* end);
  const std::uint8_t* ConsumeBody(const std::uint8_t* p, const std::uint8_t* end);
  const std::uint8_t* ConsumeCandidate(const std::uint8_t* p, const std::uint8_t* end);

  void HeaderLine(std::string_view line);
  void HeaderBroken(std::string_view line);
  void OverlongHeader();
  void EndHeader();
  void OpenBody();
  void OpenMultipart(const std::string& path, const BodyDescription& body);
  void OpenMessage(PartInfo info, Encoding encoding);
  void OpenLeaf(PartInfo info, const BodyDescription& body);
  void LookInside(PartWriter& writer, const PartInfo& info, const BodyDescription& body, Encoding encoding);
  std::string ContentTypeFields() const;
  std::string PartPath(bool multipart) const;

  bool TryDelimiter(std::string_view line);
  bool FindMatch(std::string_view line, Match& match) const;
  void NoteAmbiguous(std::string_view line);
  void Delimiter(const Match& match, std::string_view line);
  void AcceptGuess(std::string guess, std::string_view line);
  bool Guessing() const;
  const Entity* InnermostMultipart() const;

  void Deliver(const std::uint8_t* from, const std::uint8_t* to);
  void Deliver(std::string_view text);
  void BoxWrite(Bytes bytes);
  void ReleaseLineEnd();
  void WriteOutside(Bytes text);
  void CloseOutside();
  void CloseLeaf();
  void CloseEntity(Entity& entity);
  void StartHeader(std::string path, bool message);

  MimeContext& context_;
  const std::uint32_t depth_;
  const bool outermost_;

  State state_ = State::kHeader;
  HeaderCollector header_;
  std::uint64_t header_bytes_ = 0;
  std::string header_text_;  // as it stands, where it is wanted
  bool root_header_ = true;
  /// Path of the part whose header is read, or of the message around it if the header is a message's own.
  std::string path_;
  bool message_header_ = true;

  std::vector<Entity> stack_;
  std::vector<std::unique_ptr<PartWriter>> leaf_;
  std::unique_ptr<UuFiles> outside_;  // in text that belongs to no part
  /// A line that is not complete: of a header, or one that may be a delimiter.
  std::string line_;
  std::string guess_;
  bool at_line_start_ = true;
  bool leaf_line_end_ = false;  // a CRLF that belongs to the leaf, or to the delimiter behind it
  bool box_line_end_ = false;
  bool held_cr_ = false;

  std::unique_ptr<MimeContext> own_context_;  // of a second reading
  std::vector<std::unique_ptr<MimeParser>> readings_;
  std::string undecided_;
  bool is_reading_ = false;
  bool fresh_ = true;
  bool probe_ = false;
  bool done_ = false;
};

}  // namespace postern
