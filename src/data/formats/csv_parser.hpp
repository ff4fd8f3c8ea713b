#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

struct CsvRow {
  int64_t line = 0;  ///< where it starts, from 1
  std::vector<std::string> fields;
};

/// RFC 4180: fields in double quotes may hold commas, line ends and doubled quotes.
class CsvParser {
 public:
  explicit CsvParser(std::string_view text, char separator = ',') : text_(text), separator_(separator) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  std::optional<CsvRow> next() {
    while (position_ < text_.size() && (text_[position_] == '\n' || text_[position_] == '\r')) advance();
    if (position_ >= text_.size()) return std::nullopt;
    CsvRow row{line_, {}};
    for (bool more = true; more;) {
      row.fields.push_back(field());
      more = position_ < text_.size() && text_[position_] == separator_;
      if (more) advance();
    }
    return row;
  }

 private:
  void advance() { line_ += text_[position_++] == '\n'; }

  std::string field() {
    std::string value;
    bool quoted_field = position_ < text_.size() && text_[position_] == '"';
    if (quoted_field) advance();
    while (position_ < text_.size()) {
      char c = text_[position_];
      if (quoted_field && c == '"') {
        advance();
        if (position_ < text_.size() && text_[position_] == '"') {
          value += '"';
          advance();
        } else {
          quoted_field = false;
        }
        continue;
      }
      if (!quoted_field && (c == separator_ || c == '\n' || c == '\r')) break;
      value += c;
      advance();
    }
    return value;
  }

  std::string_view text_;
  char separator_;
  size_t position_ = 0;
  int64_t line_ = 1;
};

}  // namespace hone
