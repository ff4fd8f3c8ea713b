#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hone::app {

/// Text with & < > " ' as entities.
std::string escape_html(std::string_view text);
std::string base64(std::string_view bytes);

struct Series {
  std::string name;
  std::string color;  ///< a CSS color
  std::vector<double> values;
};

struct Chart {
  std::string title;
  std::vector<double> x;  ///< ascending, one for each value
  std::string x_name;
  std::vector<Series> series;
  bool percent = false;  ///< values are shares, 0..1
};

/// Lines over a grid as inline SVG.
std::string line_chart(const Chart& chart);

}  // namespace hone::app
