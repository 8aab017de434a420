#!/usr/bin/perl
# Every #include "..." must follow t/layers.txt: arrows point one way only.
use strict;
use warnings;
use File::Find;

my $top = $ENV{srcdir} // '.';
my (%may, @rooms);

open my $table, '<', "$top/t/layers.txt" or die "t/layers.txt: $!";
while (<$table>) {
    s/#.*//;
    my ($room, @ok) = split or next;
    $may{$room} = [@ok];
    push @rooms, $room;
}
close $table;
# "engine/os" before "engine/", which holds only what lies in engine/ itself
@rooms = sort { length $b <=> length $a } @rooms;

sub room_of {
    my ($path) = @_;
    for my $r (@rooms) {
        if ($r =~ m{/$}) {
            return $r if $path =~ m{^\Q$r\E[^/]+$};
        } else {
            return $r if index($path, "$r/") == 0;
        }
    }
    return;
}

# What is included lies in the room itself or below one of the names it may use.
sub allowed {
    my ($room, $inc) = @_;
    my $to = room_of($inc) // return 0;
    return 1 if $to eq $room;
    return scalar grep { $to eq $_ || index($inc, "$_/") == 0 } @{ $may{$room} };
}

my (%bad, %files);
my @tops = grep { -d "$top/$_" } qw(engine tiering server t bench);
find({ no_chdir => 1, wanted => sub {
    return unless /\.(?:c|h|def)$/;
    (my $f = $_) =~ s{^\Q$top\E/}{};
    my $room = room_of($f);
    if (!defined $room) {
        push @{ $bad{'(no room)'} }, "$f: its folder is not in t/layers.txt";
        return;
    }
    $files{$room}++;
    open my $in, '<', $_ or die "$_: $!";
    while (my $l = <$in>) {
        next unless $l =~ /^\s*#\s*include\s*"([^"]+)"/;
        push @{ $bad{$room} }, "$f:$.: $room may not include \"$1\"" unless allowed($room, $1);
    }
    close $in;
} }, map { "$top/$_" } @tops);

my $n = 0;
for my $room (sort keys %{ { %files, %bad } }) {
    my @b = @{ $bad{$room} // [] };
    printf "%sok %d - %s includes only what t/layers.txt allows (%d files)\n", @b ? 'not ' : '', ++$n,
        $room, $files{$room} // 0;
    print "# $_\n" for @b;
}
print "1..$n\n";
exit(%bad ? 1 : 0);
