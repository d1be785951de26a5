#pragma once

#include <vector>

#include "database.h"
#include "digest.h"

namespace postern {

/// Digests of a file that came as lines of text (7bit, 8bit or quoted-printable): mail has made CRLF of its line
/// ends, and a signature is the digest of the file as it was before, or as ClamAV writes it, which ends it with a
/// line end. Only digests that the database has are made.
class LineDigests {
 public:
  struct Found {
    std::string digest;
    std::uint64_t size;
  };

  /// False if the library failed, here and below.
  bool Begin(const SignatureDatabase& database);
  bool Write(Bytes bytes);
  /// Of the text with LF for CRLF, as it stands and with an LF behind it if there is none.
  bool Finish(std::vector<Found>& out);

 private:
  bool Update(Bytes bytes);

  std::vector<Digest> digests_;
  std::size_t used_ = 0;
  std::uint64_t size_ = 0;
  bool held_cr_ = false;
  bool ended_ = false;  // by an LF
};

}  // namespace postern
