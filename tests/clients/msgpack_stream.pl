# A peer in Perl: writes every object it receives to standard output, as a line of JSON, and sends every line of JSON
# that it reads from standard input.

use strict;
use warnings;

use Data::MessagePack;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();

my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my $packer = Data::MessagePack->new->utf8;
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die "cannot connect: $@";
my $select = IO::Select->new($socket, \*STDIN);
my ($typed, $held) = ("", "");
$| = 1;

while ($select->exists($socket)) {
    for my $source ($select->can_read) {
        if ($source == $socket) {
            sysread($socket, $held, 65536, length $held) or exit;
            while (length $held) {
                my $unpacker = Data::MessagePack::Unpacker->new;
                $unpacker->utf8(1);
                my $used = eval { $unpacker->execute($held, 0) };
                last unless $used && $unpacker->is_finished;
                print $json->encode($unpacker->data), "\n";
                substr($held, 0, $used, "");
            }
        }
        elsif (sysread(STDIN, $typed, 65536, length $typed)) {
            while ($typed =~ s/^(.*)\n//) {
                my $packed = $packer->pack($json->decode($1));
                print {$socket} $packed;
            }
            $socket->flush;
        }
        else {
            $select->remove(\*STDIN);
            shutdown($socket, 1);
        }
    }
}
