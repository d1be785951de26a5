{
  "targets": [
    {
      "target_name": "postern",
      "sources": [
        "native/addon.cc",
        "native/core/anchor.cc",
        "native/core/charset.cc",
        "native/core/database.cc",
        "native/core/decoder.cc",
        "native/core/digest.cc",
        "native/core/encoded_words.cc",
        "native/core/encoder.cc",
        "native/core/framer.cc",
        "native/core/header.cc",
        "native/core/hyperscan.cc",
        "native/core/line_digests.cc",
        "native/core/magic.cc",
        "native/core/mime.cc",
        "native/core/mime_structure.cc",
        "native/core/parameters.cc",
        "native/core/part_writer.cc",
        "native/core/plain.cc",
        "native/core/recheck.cc",
        "native/core/report_json.cc",
        "native/core/scanner.cc",
        "native/core/signature.cc",
        "native/core/suspicion.cc",
        "native/core/verifier.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "native/core"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-fexceptions", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion"],
      "libraries": ["-lhs"]
    },
    {
      "target_name": "postern_host",
      "sources": ["native/host.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "_GNU_SOURCE"
      ],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion"]
    },
    {
      "target_name": "postern_pattern",
      "sources": ["native/pattern.cc"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion"],
      "libraries": ["-lpcre2-8"]
    }
  ]
}
