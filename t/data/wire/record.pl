#!/usr/bin/perl
# record.pl PORT BROKER-PORT CLIENT OUT   stands between clients and a broker that advertises PORT, and
# adds one request and one response of each API and version to OUT when it is told to end: the
# longest of at most 600 bytes, without length and header.  Lines: key version kind client hex.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $broker, $client, $to) = @ARGV;
my (%flexible, %best, %peer, %in, %asked);
my $longest = 600;

(my $apis = $0) =~ s{t/data/wire/record\.pl$}{server/wire/apis.def};
open my $def, '<', $apis or die "$apis: $!";
while (<$def>) {
    $flexible{$1} = $2 eq 'NONE' ? 1000 : $2 if /^VRV_API\((\d+), \w+, \w+, \d+, \d+, (\w+)\)/;
}

sub keep {
    my ($key, $version, $kind, $bytes) = @_;
    # a version that a broker doesn't know is answered in the first one
    $version = 0 if $key == 18 && $kind eq 'response' && unpack('n', $bytes) == 35;
    my $what = "$key $version $kind";
    $best{$what} = $bytes if length $bytes <= $longest && length $bytes > length($best{$what} // '');
}

# A frame from a client, or from the broker.
sub frame {
    my ($from, $f) = @_;
    if (!$from->{asks}) {
        my ($key, $version) = @{ shift @{ $from->{pending} } // return };
        my $header = $key != 18 && $version >= $flexible{$key} ? 5 : 4;
        keep($key, $version, 'response', substr $f, $header);
        return;
    }
    my ($key, $version, undef, $name) = unpack 'n n N n', $f;
    my $header = 10 + ($name == 0xffff ? 0 : $name);
    return push @{ $from->{pending} }, undef if !defined $flexible{$key};
    $header++ if $version >= $flexible{$key};
    my $body = substr $f, $header;
    # who wants no answer gets none
    my $silent = $key == 0 && unpack($version >= 9 ? 'x n' : $version >= 3 ? 'x2 n' : 'n', $body) == 0;
    push @{ $from->{pending} }, [$key, $version] if !$silent;
    keep($key, $version, 'request', $body);
}

my $listen = IO::Socket::INET->new(Listen => 64, LocalAddr => '127.0.0.1', LocalPort => $port,
    ReuseAddr => 1) or die "port $port: $!";
my $all = IO::Select->new($listen);
my $over;
$SIG{TERM} = sub { $over = 1 };
$SIG{PIPE} = 'IGNORE';
until ($over) {
    for my $s ($all->can_read(0.5)) {
        if ($s == $listen) {
            my $c = $listen->accept or next;
            my $b = IO::Socket::INET->new("127.0.0.1:$broker") or die "broker: $!";
            my $pending = [];
            $in{$c} = { asks => 1, pending => $pending, to => $b, bytes => '' };
            $in{$b} = { asks => 0, pending => $pending, to => $c, bytes => '' };
            $all->add($c, $b);
            next;
        }
        my $from = $in{$s} or next;
        my $n = sysread $s, my $bytes, 1 << 16;
        if (!$n) {
            $all->remove($s, $from->{to});
            delete @in{$s, $from->{to}};
            close $from->{to};
            close $s;
            next;
        }
        for (my $at = 0; $at < $n;) {
            $at += syswrite($from->{to}, $bytes, $n - $at, $at) // last;
        }
        $from->{bytes} .= $bytes;
        while (length $from->{bytes} >= 4) {
            my $size = unpack 'N', $from->{bytes};
            last if length $from->{bytes} < 4 + $size;
            frame($from, substr $from->{bytes}, 4, $size);
            substr($from->{bytes}, 0, 4 + $size) = '';
        }
    }
}
open my $out, '>>', $to or die "$to: $!";
for my $what (grep { defined $best{$_} } sort keys %best) {
    print $out join(' ', $what, $client, unpack 'H*', $best{$what}), "\n";
}
close $out or die "$to: $!";
