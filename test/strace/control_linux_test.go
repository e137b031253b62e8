package strace

var controls []subject
