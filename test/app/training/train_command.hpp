#pragma once
#include <string>
#include <vector>

#include "app/run_hone.hpp"

namespace hone::app_test {

/// A quick run.
inline std::vector<std::string> train_command(const std::string& data, const std::string& out, const std::string& epochs = "3") {
  return {"train", data, "-o", out, "--epochs", epochs, "--size", "16", "--width", "0.1", "--batch", "8", "--threads", "1"};
}

inline std::vector<std::string> operator+(std::vector<std::string> list, const std::vector<std::string>& more) {
  list.insert(list.end(), more.begin(), more.end());
  return list;
}

}  // namespace hone::app_test
