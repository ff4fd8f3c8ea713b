#pragma once
#include <functional>
#include <string>

#include <hone/export.hpp>

HONE_NAMESPACE_BEGIN

enum class LogLevel { debug, info, warning, error };

/// Receives the library's messages, one at a time, on whatever thread they arise. It must not call the library.
using LogSink = std::function<void(LogLevel level, const std::string& message)>;

/// Sends messages to `sink` from now on; an empty one drops them all. Without this call warnings and errors go to
/// stderr. Nothing is logged while a model runs steadily.
HONE_API void set_log_sink(LogSink sink);

HONE_NAMESPACE_END
