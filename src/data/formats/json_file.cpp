#include "data/formats/json_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
/// Watches a document pass by and stops it early.
class KeyCollector : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit KeyCollector(const std::set<std::string>& wanted) : missing_(wanted) {}
  std::set<std::string> keys;

  bool null() override { return depth_ > 0; }
  bool boolean(bool) override { return depth_ > 0; }
  bool number_integer(number_integer_t) override { return depth_ > 0; }
  bool number_unsigned(number_unsigned_t) override { return depth_ > 0; }
  bool number_float(number_float_t, const string_t&) override { return depth_ > 0; }
  bool string(string_t&) override { return depth_ > 0; }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool end_object() override { return --depth_ > 0; }
  bool start_array(std::size_t) override { return depth_++ > 0; }
  bool end_array() override { return --depth_ > 0; }
  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    keys.insert(name);
    missing_.erase(name);
    return !missing_.empty();
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  std::set<std::string> missing_;
  int depth_ = 0;
};
}  // namespace

std::set<std::string> outer_keys(const std::filesystem::path& path, const std::set<std::string>& wanted) {
  auto file = MappedFile::open(path);
  KeyCollector collector(wanted);
  nlohmann::json::sax_parse(file->text(), &collector);
  return collector.keys;
}

nlohmann::json read_json(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  try {
    return nlohmann::json::parse(file->text());
  } catch (const nlohmann::json::exception& error) {
    std::string what = error.what();
    size_t prefix = what.find("] ");
    throw Error(quoted(path), "is no valid JSON: " + (prefix == std::string::npos ? what : what.substr(prefix + 2)),
                "copy or export it again");
  }
}

}  // namespace hone
