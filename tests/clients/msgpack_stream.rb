# A peer in Ruby: writes every object it receives to standard output, as a line of JSON, and sends every line of JSON
# that it reads from standard input.

require "json"
require "msgpack"
require "socket"

socket = TCPSocket.new("127.0.0.1", Integer(ARGV[0]))
Thread.new do
  $stdin.each_line { |line| socket.write(MessagePack.pack(JSON.parse(line))) }
  socket.close_write
end
$stdout.sync = true
MessagePack::Unpacker.new(socket).each { |object| $stdout.puts(JSON.generate(object)) }
