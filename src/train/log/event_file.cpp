#include "train/log/event_file.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <fstream>

#include <fmt/format.h>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace hone {

namespace {

// Fields of tensorflow.Event, Summary and Summary.Value.
enum Field : uint32_t { wall_time = 1, step = 2, file_version = 3, summary = 5, value = 1, tag = 1, simple_value = 2 };

constexpr const char* prefix = "events.out.tfevents.";

std::string little_endian(uint64_t number, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xff);
  return text;
}

uint64_t from_little_endian(std::string_view text) {
  uint64_t number = 0;
  for (size_t i = text.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(text[i]);
  return number;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] ? name.data() : "localhost";
}

ScalarEvent parse(std::string_view message) {
  ScalarEvent event;
  protozero::pbf_reader reader(message.data(), message.size());
  while (reader.next()) {
    switch (reader.tag()) {
      case wall_time: event.wall_time = reader.get_double(); break;
      case step: event.step = reader.get_int64(); break;
      case summary: {
        protozero::pbf_reader values = reader.get_message();
        while (values.next(value)) {
          protozero::pbf_reader one = values.get_message();
          std::string name;
          float number = 0;
          while (one.next()) {
            if (one.tag() == tag) name = one.get_string();
            else if (one.tag() == simple_value) number = one.get_float();
            else one.skip();
          }
          event.values[name] = number;
        }
        break;
      }
      default: reader.skip();
    }
  }
  return event;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
      made[i] = crc;
    }
    return made;
  }();
  uint32_t crc = ~0u;
  for (char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

EventFile::EventFile(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name > path_.filename().string()) path_ = entry.path();
  }
  if (!path_.empty()) return;
  path_ = folder / fmt::format("{}{}.{}", prefix, static_cast<int64_t>(now()), host());
  std::string message;
  protozero::pbf_writer writer(message);
  writer.add_double(wall_time, now());
  writer.add_string(file_version, "brain.Event:2");
  append(message);
}

void EventFile::add(const ScalarEvent& event) {
  std::string message;
  protozero::pbf_writer writer(message);
  writer.add_double(wall_time, event.wall_time > 0 ? event.wall_time : now());
  writer.add_int64(step, event.step);
  {
    protozero::pbf_writer list(writer, summary);
    for (auto& [name, number] : event.values) {
      protozero::pbf_writer one(list, value);
      one.add_string(tag, name);
      one.add_float(simple_value, number);
    }
  }
  append(message);
}

void EventFile::append(const std::string& message) {
  std::string length = little_endian(message.size(), 8);
  std::string record =
      length + little_endian(masked_crc32c(length), 4) + message + little_endian(masked_crc32c(message), 4);
  std::ofstream file(path_, std::ios::binary | std::ios::app);
  file.write(record.data(), static_cast<std::streamsize>(record.size()));
  file.close();
  if (!file) throw Error("'" + path_.string() + "'", fmt::format("cannot be written: {}", std::strerror(errno)));
}

std::vector<ScalarEvent> read_event_file(const std::filesystem::path& path) {
  std::string text = read_text_file(path);
  std::string_view rest = text;
  std::vector<ScalarEvent> events;
  for (int record = 0; !rest.empty(); ++record) {
    auto fail = [&](const char* problem) {
      throw Error("'" + path.string() + "'", fmt::format("record {} {}", record, problem));
    };
    if (rest.size() < 12) fail("ends early");
    std::string_view length = rest.substr(0, 8);
    if (from_little_endian(rest.substr(8, 4)) != masked_crc32c(length)) fail("has a wrong check sum of its length");
    uint64_t size = from_little_endian(length);
    rest.remove_prefix(12);
    if (rest.size() < 4 || size > rest.size() - 4) fail("ends early");
    std::string_view message = rest.substr(0, size);
    if (from_little_endian(rest.substr(size, 4)) != masked_crc32c(message)) fail("has a wrong check sum");
    rest.remove_prefix(size + 4);
    ScalarEvent event = parse(message);
    if (!event.values.empty()) events.push_back(std::move(event));
  }
  return events;
}

}  // namespace hone
