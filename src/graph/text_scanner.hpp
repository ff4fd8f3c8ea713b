#pragma once
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "graph/op.hpp"

/// What the parser of the text form reads words, types and tensors with; included by text_parser.cpp only.
namespace hone::text_form {

// What no sensible graph needs; a text that asks for more is broken or hostile.
inline constexpr size_t max_rank = 32;
inline constexpr int64_t max_dim = int64_t{1} << 31;
inline constexpr int64_t max_elements = int64_t{1} << 31;  // times max_dim, this does not overflow
inline constexpr int64_t max_generated_bytes = 256 << 20;  // all fill, range and random of one text

/// Characters, words and numbers of the text.
class Scanner {
 public:
  Scanner(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  [[noreturn]] void fail_at(size_t position, const std::string& problem, const std::string& remedy = {}) const {
    int line = 1;
    for (size_t i = 0; i < position && i < text_.size(); ++i) line += text_[i] == '\n';
    throw Error(fmt::format("{} line {}", name_, line), problem, remedy);
  }
  [[noreturn]] void expected(const std::string& what) {
    skip_space();
    fail_at(at_, fmt::format("expected {}, found {}", what, next()));
  }
  /// Where the next word begins, for fail_at.
  size_t mark() {
    skip_space();
    return at_;
  }
  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(std::string_view token) {
    skip_space();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) expected(fmt::format("'{}'", token));
  }
  /// The run of characters of one class, or empty.
  std::string_view run(bool (*inside)(char)) {
    skip_space();
    size_t begin = at_;
    while (at_ < text_.size() && inside(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  static bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  static bool in_op(char c) { return in_word(c) || c == '.'; }
  static bool in_name(char c) { return in_word(c) || c == '.' || c == '/' || c == '-'; }
  static bool in_number(char c) { return in_word(c) || c == '.' || c == '+' || c == '-'; }

  std::string quoted(const char* what) {
    size_t begin = mark();
    if (!accept("\"")) expected(fmt::format("{} in double quotes", what));
    std::string result;
    for (;; ++at_) {
      if (at_ >= text_.size()) fail_at(begin, "the text ends inside these quotes");
      char c = text_[at_];
      if (c == '"') break;
      if (c != '\\') {
        result += c;
        continue;
      }
      if (++at_ >= text_.size()) fail_at(begin, "the text ends inside these quotes");
      result += escape();
    }
    ++at_;
    return result;
  }

 private:
  void skip_space() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])))
        ++at_;
      else if (text_[at_] == '#')
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      else
        return;
    }
  }
  char escape() {
    char c = text_[at_];
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c == '"' || c == '\\') return c;
    unsigned code = 0;
    if (c == 'x' && at_ + 2 < text_.size()) {
      const char* digits = text_.data() + at_ + 1;
      if (std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
        at_ += 2;
        return static_cast<char>(code);
      }
    }
    fail_at(at_, "unknown escape in quotes", "write \\n, \\t, \\\", \\\\ or \\x and two hexadecimal digits");
  }
  std::string next() const {
    if (at_ >= text_.size()) return "the end of the text";
    size_t length = 1;
    if (in_number(text_[at_]))
      while (length < 24 && at_ + length < text_.size() && in_number(text_[at_ + length])) ++length;
    std::string found;
    for (char c : text_.substr(at_, length))
      found += std::isprint(static_cast<unsigned char>(c)) ? std::string(1, c)
                                                           : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return "'" + found + "'";
  }

  std::string_view text_, name_;
  size_t at_ = 0;
};

/// Numbers, types and tensors.
class DataParser : public Scanner {
 public:
  using Scanner::Scanner;

  template <class T>
  T number() {
    if constexpr (std::is_same_v<T, bool>) {
      if (accept("true")) return true;
      if (accept("false")) return false;
      return number<uint8_t>() != 0;
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      return T(number<float>());
    } else {
      size_t begin = mark();
      std::string_view token = run(in_number);
      if (token.starts_with('+')) token.remove_prefix(1);
      T value{};
      auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
      bool whole = end == token.data() + token.size();
      if (error == std::errc::result_out_of_range && whole)
        fail_at(begin, fmt::format("{} does not fit {}", token, name_of(dtype_of<T>())));
      if (error != std::errc() || !whole)
        fail_at(begin, fmt::format("expected a number of type {}, found '{}'", name_of(dtype_of<T>()), token));
      return value;
    }
  }

  DType dtype() {
    size_t begin = mark();
    std::string_view word = run(in_word);
    DType type = dtype_from_name(word);
    if (type == DType::undefined && word != "undefined")
      fail_at(begin, fmt::format("expected an element type such as f32, found '{}'", word));
    return type;
  }

  Type type() {
    Type result;
    result.dtype = dtype();
    size_t begin = mark();
    expect("[");
    if (accept("*")) {
      expect("]");
      return result;
    }
    std::vector<Dim> dims;
    if (!accept("]")) {
      do {
        dims.push_back(dim());
        if (dims.size() > max_rank) fail_at(begin, fmt::format("a shape has at most {} sizes", max_rank));
      } while (accept(","));
      expect("]");
    }
    result.shape = Shape(std::move(dims));
    return result;
  }

  /// As type(), of a tensor that the text itself brings in: its size is limited.
  Type declared_type() {
    size_t begin = mark();
    Type result = type();
    int64_t elements = 1;
    for (const Dim& size : result.shape.dims) {
      if (size.value > max_dim) fail_at(begin, fmt::format("size {} is too large", size.value));
      if (size.value > 0 && (elements *= size.value) > max_elements) fail_at(begin, "the shape has too many elements");
    }
    return result;
  }

  Tensor data(const Type& type) {
    size_t begin = mark();
    if (!type.shape.is_static() || type.dtype == DType::undefined)
      fail_at(begin, "data need a known type and known sizes, found " + to_string(type));
    Dims dims = type.shape.concrete();
    if (accept("..."))
      fail_at(begin, "the data were left out when the text was written",
              "write the text without leaving out constants");
    if (type.dtype == DType::string) return strings(dims);
    return dispatch(type.dtype, [&](auto tag) {
      using T = decltype(tag);
      if (peek() == '[') return list<T>(dims);
      Tensor result = generated(type.dtype, dims, begin);
      generate(result.mutable_data<T>());
      return result;
    });
  }

 private:
  Dim dim() {
    if (accept("?")) return {};
    if (peek() == '"') {
      Dim result = Dim::named(quoted("a symbol"));
      if (result.symbol.empty()) expected("a symbol");
      return result;
    }
    if (std::isdigit(static_cast<unsigned char>(peek()))) return number<int64_t>();
    std::string_view symbol = run(in_word);
    if (symbol.empty()) expected("a size: a number, a symbol or '?'");
    return Dim::named(std::string(symbol));
  }

  void check_count(size_t begin, const Dims& dims, size_t found) {
    if (static_cast<int64_t>(found) != element_count(dims))
      fail_at(begin, fmt::format("{} has {} elements, found {}", to_string(dims), element_count(dims), found));
  }

  template <class T>
  Tensor list(const Dims& dims) {
    size_t begin = mark();
    std::vector<T> values;
    expect("[");
    if (!accept("]")) {
      do values.push_back(number<T>());
      while (accept(","));
      expect("]");
    }
    check_count(begin, dims, values.size());
    return Tensor::of<T>(dims, values);
  }

  Tensor strings(const Dims& dims) {
    size_t begin = mark();
    std::vector<std::string> values;
    expect("[");
    if (!accept("]")) {
      do values.push_back(quoted("a string"));
      while (accept(","));
      expect("]");
    }
    check_count(begin, dims, values.size());
    return {dims, std::move(values)};
  }

  Tensor generated(DType type, const Dims& dims, size_t begin) {
    int64_t count = element_count(dims);
    int64_t bytes = count * static_cast<int64_t>(size_of(type));
    if ((generated_bytes_ += bytes) > max_generated_bytes)
      fail_at(begin, fmt::format("fill, range and random make more than {} MB", max_generated_bytes >> 20));
    return {type, dims};
  }

  template <class T>
  void generate(std::span<T> out) {
    if (accept("fill")) {
      expect("(");
      T value = number<T>();
      expect(")");
      for (T& element : out) element = value;
    } else if (accept("range")) {
      for (size_t i = 0; i < out.size(); ++i) {
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
          out[i] = T(static_cast<float>(i));
        else
          out[i] = static_cast<T>(i);
      }
    } else if (accept("random")) {
      expect("(");
      uint64_t state = number<uint64_t>();
      expect(")");
      for (T& element : out) element = uniform<T>(state);
    } else {
      expected("data: a list, fill(...), range, random(...)");
    }
  }

  template <class T>
  static T uniform(uint64_t& state) {
    // SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine.
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    double unit = static_cast<double>(z >> 11) * 0x1p-53;
    if constexpr (std::is_same_v<T, bool>)
      return unit < 0.5;
    else if constexpr (std::is_unsigned_v<T>)
      return static_cast<T>(unit * 201);
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(std::floor(unit * 201) - 100);
    else
      return T(static_cast<float>(unit * 2 - 1));
  }

  int64_t generated_bytes_ = 0;
};

}  // namespace hone::text_form
