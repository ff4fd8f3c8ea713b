#pragma once
#include "graph/graph.hpp"
#include "graph/preprocess.hpp"
#include "graph/text.hpp"

/// Models of every task whose answers are known.
namespace hone::app_test {

/// Scores of 16x16 pixels: how red and how blue each is.
inline Graph color_segmenter() {
  Graph graph = parse_text(R"(graph "colors" {
    input %x: f32[N, 3, 16, 16]
    const %w: f32[2, 3, 1, 1] = [1, 0, 0, 0, 0, 1]
    %scores = Conv(%x, %w)
    output "scores" = %scores
  })");
  attach_preprocess(graph, {.height = 16, .width = 16, .mean = {0, 0, 0}, .std = {255, 255, 255}, .antialias = false});
  set_labels(graph, {"red", "blue"});
  graph.metadata["hone.task"] = "segmentation";
  return graph;
}

/// Says always the same of any image: an apple (score 0.9) in its left top quarter, a pear (0.6) in the right bottom
/// one and one with score 0.2 everywhere.
inline Graph fixed_detector() {
  Graph graph = parse_text(R"(graph "fixed" {
    input %image: u8[N, height, width, 3]
    const %rows: f32[3, 7] = [0, 0, 0.9, 0, 0, 0.5, 0.5, 0, 1, 0.2, 0, 0, 1, 1, 0, 1, 0.6, 0.5, 0.5, 1, 1]
    const %order: i64[7] = [0, 0, 0, 2, 1, 2, 1]
    const %is_box: f32[7] = [0, 0, 0, 1, 1, 1, 1]
    const %not_box: f32[7] = [1, 1, 1, 0, 0, 0, 0]
    const %zero: f32[] = [0]
    const %axis: i64[1] = [0]
    const %column: i64[] = [2]
    %shape = Shape(%image)
    %sizes = Gather(%shape, %order) {axis=0}
    %float = Cast(%sizes) {to=1}
    %boxes = Mul(%float, %is_box)
    %factor = Add(%boxes, %not_box)
    %all = Mul(%rows, %factor)
    %score = Gather(%all, %column) {axis=1}
    %some = Greater(%score, %zero)
    %detections = Compress(%all, %some) {axis=0}
    output "detections" = %detections
  })");
  set_labels(graph, {"apple", "pear"});
  graph.metadata["hone.task"] = "detection";
  return graph;
}

/// f32 [N, 2]: how red and how blue the whole image is, from a feature map [N, 2, 8, 8] by global pooling and a linear
/// layer.
inline Graph color_classifier(const char* task = "classification") {
  Graph graph = parse_text(R"(graph "mean" {
    input %x: f32[N, 3, 32, 32]
    const %w: f32[2, 3, 4, 4] = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
                                 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]
    const %v: f32[2, 2] = [4, -4, -4, 4]
    const %c: f32[2] = [0.5, 0]
    %feature = Conv(%x, %w) {strides=[4, 4]}
    %pool = GlobalAveragePool(%feature)
    %flat = Flatten(%pool)
    %logits = Gemm(%flat, %v, %c) {transB=1}
    output "logits" = %logits
  })");
  attach_preprocess(graph, {.height = 32, .width = 32, .mean = {0, 0, 0}, .std = {255, 255, 255}, .antialias = false});
  set_labels(graph, {"red", "blue"});
  graph.metadata["hone.task"] = task;
  return graph;
}

/// The same feature map, but the score of class 0 is what lies in its left top quarter, that of class 1 what lies in
/// the right bottom one.
inline Graph corner_classifier() {
  Graph graph = parse_text(R"(graph "corner" {
    input %x: f32[N, 3, 32, 32]
    const %w: f32[2, 3, 4, 4] = fill(0.1)
    const %from0: i64[2] = [0, 0]
    const %to0: i64[2] = [4, 4]
    const %from1: i64[2] = [4, 4]
    const %to1: i64[2] = [8, 8]
    const %axes: i64[2] = [2, 3]
    const %all: i64[3] = [1, 2, 3]
    const %one: i64[1] = [1]
    %feature = Conv(%x, %w) {strides=[4, 4]}
    %a = Slice(%feature, %from0, %to0, %axes)
    %b = Slice(%feature, %from1, %to1, %axes)
    %am = ReduceMean(%a, %all) {keepdims=0}
    %bm = ReduceMean(%b, %all) {keepdims=0}
    %au = Unsqueeze(%am, %one)
    %bu = Unsqueeze(%bm, %one)
    %scores = Concat(%au, %bu) {axis=1}
    output "scores" = %scores
  })");
  attach_preprocess(graph, {.height = 32, .width = 32, .mean = {0, 0, 0}, .std = {255, 255, 255}, .antialias = false});
  graph.metadata["hone.task"] = "classification";
  return graph;
}

}  // namespace hone::app_test
