#pragma once
#include <functional>
#include <string>

namespace hone {

enum class LogLevel { debug, info, warning, error };

/// Where messages of the library go. The default drops debug and info and writes the rest to stderr.
using LogSink = std::function<void(LogLevel, const std::string&)>;
void set_log_sink(LogSink sink);
void log(LogLevel level, const std::string& message);
inline void warn(const std::string& message) { log(LogLevel::warning, message); }

}  // namespace hone
